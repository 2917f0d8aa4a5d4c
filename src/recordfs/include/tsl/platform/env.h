// What a source means by this name is in recordfs's adapter.

#ifndef RECORDFS_FOR_TSL_PLATFORM_ENV_H_
#define RECORDFS_FOR_TSL_PLATFORM_ENV_H_

#include "recordfs/env.h"

#endif  // RECORDFS_FOR_TSL_PLATFORM_ENV_H_
