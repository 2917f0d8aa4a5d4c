// What a source means by this name is in recordfs's adapter.

#ifndef RECORDFS_FOR_TENSORFLOW_CORE_LIB_STRINGS_STRINGPRINTF_H_
#define RECORDFS_FOR_TENSORFLOW_CORE_LIB_STRINGS_STRINGPRINTF_H_

#include "recordfs/strings.h"

#endif  // RECORDFS_FOR_TENSORFLOW_CORE_LIB_STRINGS_STRINGPRINTF_H_
