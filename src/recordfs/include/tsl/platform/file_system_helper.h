// What a source means by this name is in recordfs's adapter.

#ifndef RECORDFS_FOR_TSL_PLATFORM_FILE_SYSTEM_HELPER_H_
#define RECORDFS_FOR_TSL_PLATFORM_FILE_SYSTEM_HELPER_H_

#include "recordfs/file_system.h"

#endif  // RECORDFS_FOR_TSL_PLATFORM_FILE_SYSTEM_HELPER_H_
