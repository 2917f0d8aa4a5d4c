// Status, the codes, errors::NotFound(...) and its family, IOError, and TF_RETURN_IF_ERROR.

#ifndef RECORDFS_STATUS_H_
#define RECORDFS_STATUS_H_

#include <cerrno>
#include <cstring>
#include <sstream>
#include <string>
#include <utility>

#include "recordfs/logging.h"
#include "recordfs/types.h"

namespace tensorflow {
inline namespace recordfs_adapter {

namespace error {

// The numbers are gRPC's.
enum Code : int {
  OK = 0,
  CANCELLED = 1,
  UNKNOWN = 2,
  INVALID_ARGUMENT = 3,
  DEADLINE_EXCEEDED = 4,
  NOT_FOUND = 5,
  ALREADY_EXISTS = 6,
  PERMISSION_DENIED = 7,
  RESOURCE_EXHAUSTED = 8,
  FAILED_PRECONDITION = 9,
  ABORTED = 10,
  OUT_OF_RANGE = 11,
  UNIMPLEMENTED = 12,
  INTERNAL = 13,
  UNAVAILABLE = 14,
  DATA_LOSS = 15,
  UNAUTHENTICATED = 16,
};

}  // namespace error

// How an operation went.
class Status {
 public:
  Status() = default;
  Status(error::Code code, StringPiece message)
      : code_(code), message_(code == error::OK ? std::string() : message.ToString()) {}

  static Status OK() { return Status(); }

  bool ok() const { return code_ == error::OK; }
  error::Code code() const { return code_; }
  int raw_code() const { return code_; }
  const std::string& error_message() const { return message_; }
  std::string_view message() const { return message_; }

  std::string ToString() const { return ok() ? "OK" : "code " + std::to_string(code_) + ": " + message_; }

  // Takes the other status over, unless this one is an error already.
  void Update(const Status& other) {
    if (ok()) *this = other;
  }

  void IgnoreError() const {}

  friend bool operator==(const Status& a, const Status& b) { return a.code_ == b.code_ && a.message_ == b.message_; }
  friend bool operator!=(const Status& a, const Status& b) { return !(a == b); }
  friend std::ostream& operator<<(std::ostream& out, const Status& status) { return out << status.ToString(); }

 private:
  error::Code code_ = error::OK;
  std::string message_;
};

inline Status OkStatus() { return Status(); }

namespace strings {

// All arguments as text, one after the other.
template <typename... Parts>
std::string StrCat(const Parts&... parts) {
  std::ostringstream out;
  (void)(out << ... << parts);
  return out.str();
}

template <typename... Parts>
void StrAppend(std::string* target, const Parts&... parts) {
  *target += StrCat(parts...);
}

}  // namespace strings

namespace errors {

#define RECORDFS_ERROR_FAMILY(Name, CODE)                                   \
  template <typename... Parts>                                              \
  Status Name(const Parts&... parts) {                                      \
    return Status(error::CODE, ::tensorflow::strings::StrCat(parts...));    \
  }                                                                         \
  inline bool Is##Name(const Status& status) { return status.code() == error::CODE; }

RECORDFS_ERROR_FAMILY(Cancelled, CANCELLED)
RECORDFS_ERROR_FAMILY(Unknown, UNKNOWN)
RECORDFS_ERROR_FAMILY(InvalidArgument, INVALID_ARGUMENT)
RECORDFS_ERROR_FAMILY(DeadlineExceeded, DEADLINE_EXCEEDED)
RECORDFS_ERROR_FAMILY(NotFound, NOT_FOUND)
RECORDFS_ERROR_FAMILY(AlreadyExists, ALREADY_EXISTS)
RECORDFS_ERROR_FAMILY(PermissionDenied, PERMISSION_DENIED)
RECORDFS_ERROR_FAMILY(ResourceExhausted, RESOURCE_EXHAUSTED)
RECORDFS_ERROR_FAMILY(FailedPrecondition, FAILED_PRECONDITION)
RECORDFS_ERROR_FAMILY(Aborted, ABORTED)
RECORDFS_ERROR_FAMILY(OutOfRange, OUT_OF_RANGE)
RECORDFS_ERROR_FAMILY(Unimplemented, UNIMPLEMENTED)
RECORDFS_ERROR_FAMILY(Internal, INTERNAL)
RECORDFS_ERROR_FAMILY(Unavailable, UNAVAILABLE)
RECORDFS_ERROR_FAMILY(DataLoss, DATA_LOSS)
RECORDFS_ERROR_FAMILY(Unauthenticated, UNAUTHENTICATED)

#undef RECORDFS_ERROR_FAMILY

// Puts more text after a status's message.
template <typename... Parts>
void AppendToMessage(Status* status, const Parts&... parts) {
  *status = Status(status->code(), strings::StrCat(status->error_message(), "\n\t", parts...));
}

}  // namespace errors

// The code for an errno, as TensorFlow and recordfs.errors have it.
inline error::Code ErrnoToCode(int number) {
  switch (number) {
    case 0:
      return error::OK;
    case EINVAL:
    case ENAMETOOLONG:
      return error::INVALID_ARGUMENT;
    case ETIMEDOUT:
      return error::DEADLINE_EXCEEDED;
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ESRCH:
      return error::NOT_FOUND;
    case EEXIST:
      return error::ALREADY_EXISTS;
    case EPERM:
    case EACCES:
    case EROFS:
      return error::PERMISSION_DENIED;
    case ENOTEMPTY:
    case EISDIR:
    case ENOTDIR:
    case EBADF:
    case EBUSY:
    case ETXTBSY:
    case ENOTCONN:
    case EPIPE:
    case ESHUTDOWN:
      return error::FAILED_PRECONDITION;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EMLINK:
    case ENOBUFS:
      return error::RESOURCE_EXHAUSTED;
    case EFBIG:
    case EOVERFLOW:
    case ERANGE:
      return error::OUT_OF_RANGE;
    case ENOSYS:
    case ENOTSUP:
    case EXDEV:
      return error::UNIMPLEMENTED;
    case EAGAIN:
    case EINTR:
    case ECONNREFUSED:
    case ECONNABORTED:
    case ECONNRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETRESET:
    case ENETUNREACH:
    case ENOLCK:
    case ENOLINK:
      return error::UNAVAILABLE;
    case ESTALE:
      return error::ABORTED;
    default:
      return error::UNKNOWN;
  }
}

// The status for an errno, with what it is about.
inline Status IOError(const std::string& context, int number) {
  return Status(ErrnoToCode(number), context + "; " + std::strerror(number));
}

namespace errors {
using ::tensorflow::IOError;  // where newer sources look for it
}  // namespace errors

}  // namespace recordfs_adapter
}  // namespace tensorflow

#ifndef TF_RETURN_IF_ERROR
#define TF_RETURN_IF_ERROR(...)                             \
  do {                                                      \
    ::tensorflow::Status recordfs_status_ = (__VA_ARGS__);  \
    if (!recordfs_status_.ok()) return recordfs_status_;    \
  } while (false)
#define TF_RETURN_WITH_CONTEXT_IF_ERROR(expression, ...)                      \
  do {                                                                        \
    ::tensorflow::Status recordfs_status_ = (expression);                     \
    if (!recordfs_status_.ok()) {                                             \
      ::tensorflow::errors::AppendToMessage(&recordfs_status_, __VA_ARGS__);  \
      return recordfs_status_;                                                \
    }                                                                         \
  } while (false)
#endif

#ifndef TF_CHECK_OK
// The process ends unless the status is OK; more text may be put after it by <<.
#define TF_CHECK_OK(...)                                                                                            \
  for (::tensorflow::Status recordfs_status_ = (__VA_ARGS__); !recordfs_status_.ok();)                              \
  LOG(FATAL) << recordfs_status_ << " "
#define TF_QCHECK_OK(...) TF_CHECK_OK(__VA_ARGS__)
#define TF_DCHECK_OK(...) TF_CHECK_OK(__VA_ARGS__)
#endif

#endif  // RECORDFS_STATUS_H_
