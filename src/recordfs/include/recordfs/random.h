// random::New64, for names that nobody else has.

#ifndef RECORDFS_RANDOM_H_
#define RECORDFS_RANDOM_H_

#include <random>

#include "recordfs/types.h"

namespace tensorflow {
inline namespace recordfs_adapter {
namespace random {

// 64 bits of the system's randomness. Safe to call from any thread.
inline uint64 New64() {
  std::random_device device;
  return (static_cast<uint64>(device()) << 32) | device();
}

}  // namespace random
}  // namespace recordfs_adapter
}  // namespace tensorflow

#endif  // RECORDFS_RANDOM_H_
