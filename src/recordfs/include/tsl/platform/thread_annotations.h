// What a source means by this name is in recordfs's adapter.

#ifndef RECORDFS_FOR_TSL_PLATFORM_THREAD_ANNOTATIONS_H_
#define RECORDFS_FOR_TSL_PLATFORM_THREAD_ANNOTATIONS_H_

#include "recordfs/mutex.h"

#endif  // RECORDFS_FOR_TSL_PLATFORM_THREAD_ANNOTATIONS_H_
