// LOG, VLOG and CHECK, to standard error, for sources that were written with TensorFlow's.

#ifndef RECORDFS_LOGGING_H_
#define RECORDFS_LOGGING_H_

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

namespace tensorflow {
inline namespace recordfs_adapter {
namespace recordfs_internal {

// One message, written as a whole when it is complete. FATAL ends the process.
class LogMessage {
 public:
  enum Severity { INFO = 0, WARNING = 1, ERROR = 2, FATAL = 3, QFATAL = FATAL };

  LogMessage(Severity severity, const char* file, int line) : severity_(severity) {
    out_ << "IWEF"[severity] << " " << file << ":" << line << "] ";
  }
  LogMessage(const LogMessage&) = delete;
  void operator=(const LogMessage&) = delete;
  ~LogMessage() {
    if (severity_ == FATAL || severity_ >= Setting("TF_CPP_MIN_LOG_LEVEL")) {
      std::fprintf(stderr, "%s\n", out_.str().c_str());
    }
    if (severity_ == FATAL) std::abort();
  }

  std::ostream& stream() { return out_; }

  static int Setting(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? 0 : std::atoi(value);
  }

 private:
  Severity severity_;
  std::ostringstream out_;
};

}  // namespace recordfs_internal
}  // namespace recordfs_adapter
}  // namespace tensorflow

#ifndef LOG
#define LOG(severity)                                                                                               \
  ::tensorflow::recordfs_internal::LogMessage(::tensorflow::recordfs_internal::LogMessage::severity, __FILE__, __LINE__) \
      .stream()
#define VLOG_IS_ON(level) (::tensorflow::recordfs_internal::LogMessage::Setting("TF_CPP_MAX_VLOG_LEVEL") >= (level))

// One statement, so that an else after it is that of the if before it.
#define RECORDFS_UNLESS(condition) \
  switch (0)                       \
  case 0:                          \
  default:                         \
    if (condition) {               \
    } else
#define LOG_IF(severity, condition) RECORDFS_UNLESS(!(condition)) LOG(severity)
#define VLOG(level) RECORDFS_UNLESS(!VLOG_IS_ON(level)) LOG(INFO)
#define DVLOG(level) VLOG(level)
#define CHECK(condition) RECORDFS_UNLESS(condition) LOG(FATAL) << "check failed: " #condition " "
#define CHECK_EQ(a, b) CHECK((a) == (b))
#define CHECK_NE(a, b) CHECK((a) != (b))
#define CHECK_LT(a, b) CHECK((a) < (b))
#define CHECK_LE(a, b) CHECK((a) <= (b))
#define CHECK_GT(a, b) CHECK((a) > (b))
#define CHECK_GE(a, b) CHECK((a) >= (b))
#define QCHECK(condition) CHECK(condition)
#define DCHECK(condition) CHECK(condition)
#define DCHECK_EQ(a, b) CHECK_EQ(a, b)
#define DCHECK_NE(a, b) CHECK_NE(a, b)
#define DCHECK_LT(a, b) CHECK_LT(a, b)
#define DCHECK_LE(a, b) CHECK_LE(a, b)
#define DCHECK_GT(a, b) CHECK_GT(a, b)
#define DCHECK_GE(a, b) CHECK_GE(a, b)
#endif

#endif  // RECORDFS_LOGGING_H_
