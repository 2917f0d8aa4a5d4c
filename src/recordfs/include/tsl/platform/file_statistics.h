// What a source means by this name is in recordfs's adapter.

#ifndef RECORDFS_FOR_TSL_PLATFORM_FILE_STATISTICS_H_
#define RECORDFS_FOR_TSL_PLATFORM_FILE_STATISTICS_H_

#include "recordfs/files.h"

#endif  // RECORDFS_FOR_TSL_PLATFORM_FILE_STATISTICS_H_
