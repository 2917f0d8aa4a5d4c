// What a source means by this name is in recordfs's adapter.

#ifndef RECORDFS_FOR_TENSORFLOW_CORE_PROTOBUF_ERROR_CODES_PB_H_
#define RECORDFS_FOR_TENSORFLOW_CORE_PROTOBUF_ERROR_CODES_PB_H_

#include "recordfs/status.h"

#endif  // RECORDFS_FOR_TENSORFLOW_CORE_PROTOBUF_ERROR_CODES_PB_H_
