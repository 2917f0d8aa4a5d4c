"""recordfs seen from other libraries, one a module; importing one imports that library."""
