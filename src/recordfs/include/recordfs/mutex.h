// mutex, mutex_lock, tf_shared_lock and condition_variable, and the macros that say what a mutex guards.

#ifndef RECORDFS_MUTEX_H_
#define RECORDFS_MUTEX_H_

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#include "recordfs/types.h"

namespace tensorflow {
inline namespace recordfs_adapter {

enum LinkerInitialized { LINKER_INITIALIZED };

class mutex : public std::shared_mutex {
 public:
  mutex() = default;
  explicit mutex(LinkerInitialized) {}
};

namespace recordfs_internal {
using Mutex = mutex;  // in a lock, `mutex` is a function
}  // namespace recordfs_internal

// Holds a mutex for itself alone as long as it lives.
class mutex_lock : public std::unique_lock<recordfs_internal::Mutex> {
 public:
  explicit mutex_lock(recordfs_internal::Mutex& held) : unique_lock(held) {}
  mutex_lock(recordfs_internal::Mutex& held, std::try_to_lock_t) : unique_lock(held, std::try_to_lock) {}
};

// Holds a mutex together with others of its kind as long as it lives.
class tf_shared_lock : public std::shared_lock<recordfs_internal::Mutex> {
 public:
  explicit tf_shared_lock(recordfs_internal::Mutex& held) : shared_lock(held) {}
  tf_shared_lock(recordfs_internal::Mutex& held, std::try_to_lock_t) : shared_lock(held, std::try_to_lock) {}
};

class condition_variable : public std::condition_variable_any {};

enum ConditionResult { kCond_Timeout, kCond_MaybeNotified };

inline ConditionResult WaitForMilliseconds(mutex_lock* lock, condition_variable* condition, int64 milliseconds) {
  std::cv_status status = condition->wait_for(*lock, std::chrono::milliseconds(milliseconds));
  return status == std::cv_status::timeout ? kCond_Timeout : kCond_MaybeNotified;
}

}  // namespace recordfs_adapter
}  // namespace tensorflow

// What a mutex guards is documentation here: no compiler is asked to check it. Sources up to TensorFlow 2.1 have the names
// without the prefix.
#ifndef TF_GUARDED_BY
#define TF_GUARDED_BY(...)
#define TF_PT_GUARDED_BY(...)
#define TF_ACQUIRED_AFTER(...)
#define TF_ACQUIRED_BEFORE(...)
#define TF_EXCLUSIVE_LOCKS_REQUIRED(...)
#define TF_SHARED_LOCKS_REQUIRED(...)
#define TF_LOCKS_EXCLUDED(...)
#define TF_LOCK_RETURNED(...)
#define TF_LOCKABLE
#define TF_SCOPED_LOCKABLE
#define TF_EXCLUSIVE_LOCK_FUNCTION(...)
#define TF_SHARED_LOCK_FUNCTION(...)
#define TF_UNLOCK_FUNCTION(...)
#define TF_NO_THREAD_SAFETY_ANALYSIS
#endif
#ifndef GUARDED_BY
#define GUARDED_BY(...)
#define PT_GUARDED_BY(...)
#define EXCLUSIVE_LOCKS_REQUIRED(...)
#define SHARED_LOCKS_REQUIRED(...)
#define LOCKS_EXCLUDED(...)
#define NO_THREAD_SAFETY_ANALYSIS
#endif

#endif  // RECORDFS_MUTEX_H_
