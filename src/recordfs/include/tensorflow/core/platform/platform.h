// What a source means by this name is in recordfs's adapter.

#ifndef RECORDFS_FOR_TENSORFLOW_CORE_PLATFORM_PLATFORM_H_
#define RECORDFS_FOR_TENSORFLOW_CORE_PLATFORM_PLATFORM_H_

#include "recordfs/types.h"

#endif  // RECORDFS_FOR_TENSORFLOW_CORE_PLATFORM_PLATFORM_H_
