// What a source means by this name is in recordfs's adapter.

#ifndef RECORDFS_FOR_TSL_PLATFORM_RANDOM_H_
#define RECORDFS_FOR_TSL_PLATFORM_RANDOM_H_

#include "recordfs/random.h"

#endif  // RECORDFS_FOR_TSL_PLATFORM_RANDOM_H_
