// What a source means by this name is in recordfs's adapter.

#ifndef RECORDFS_FOR_TSL_PLATFORM_STR_UTIL_H_
#define RECORDFS_FOR_TSL_PLATFORM_STR_UTIL_H_

#include "recordfs/strings.h"

#endif  // RECORDFS_FOR_TSL_PLATFORM_STR_UTIL_H_
