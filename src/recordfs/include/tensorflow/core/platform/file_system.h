// What a source means by this name is in recordfs's adapter.

#ifndef RECORDFS_FOR_TENSORFLOW_CORE_PLATFORM_FILE_SYSTEM_H_
#define RECORDFS_FOR_TENSORFLOW_CORE_PLATFORM_FILE_SYSTEM_H_

#include "recordfs/file_system.h"

#endif  // RECORDFS_FOR_TENSORFLOW_CORE_PLATFORM_FILE_SYSTEM_H_
