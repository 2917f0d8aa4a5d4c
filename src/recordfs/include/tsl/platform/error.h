// What a source means by this name is in recordfs's adapter.

#ifndef RECORDFS_FOR_TSL_PLATFORM_ERROR_H_
#define RECORDFS_FOR_TSL_PLATFORM_ERROR_H_

#include "recordfs/status.h"

#endif  // RECORDFS_FOR_TSL_PLATFORM_ERROR_H_
