// What a source means by this name is in recordfs's adapter.

#ifndef RECORDFS_FOR_TENSORFLOW_CORE_PLATFORM_LOGGING_H_
#define RECORDFS_FOR_TENSORFLOW_CORE_PLATFORM_LOGGING_H_

#include "recordfs/logging.h"

#endif  // RECORDFS_FOR_TENSORFLOW_CORE_PLATFORM_LOGGING_H_
