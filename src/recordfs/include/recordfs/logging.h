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
  enum Severity { INFO = 0, WARNING = 1, ERROR = 2, FATAL = 3 };

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
#define VLOG(level) \
  if (!VLOG_IS_ON(level)) {} else LOG(INFO)
#define CHECK(condition) \
  if (condition) {} else LOG(FATAL) << "check failed: " #condition " "
#define DCHECK(condition) CHECK(condition)
#endif

#endif  // RECORDFS_LOGGING_H_
