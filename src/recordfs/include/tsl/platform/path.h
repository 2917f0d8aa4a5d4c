// What a source means by this name is in recordfs's adapter.

#ifndef RECORDFS_FOR_TSL_PLATFORM_PATH_H_
#define RECORDFS_FOR_TSL_PLATFORM_PATH_H_

#include "recordfs/path.h"

#endif  // RECORDFS_FOR_TSL_PLATFORM_PATH_H_
