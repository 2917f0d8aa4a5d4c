// The small types that filesystems in TensorFlow's style use: integers, string, StringPiece, and a few macros.
//
// Part of recordfs's adapter: declarations of its own, none of TensorFlow's. What a source includes by the names of
// TensorFlow's headers leads here.

#ifndef RECORDFS_TYPES_H_
#define RECORDFS_TYPES_H_

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

// What holds state, or leads to it, is each library's own: several that were built with this may be in one process.
#define RECORDFS_OWN __attribute__((visibility("hidden")))

// The inline namespace keeps the names apart from TensorFlow's, which may be in the process too.
namespace tensorflow {
inline namespace recordfs_adapter {

using string = std::string;
using int8 = std::int8_t;
using int16 = std::int16_t;
using int32 = std::int32_t;
using int64 = std::int64_t;
using uint8 = std::uint8_t;
using uint16 = std::uint16_t;
using uint32 = std::uint32_t;
using uint64 = std::uint64_t;

// Characters of somebody else's: a std::string_view, which older sources make strings of by ToString().
class StringPiece : public std::string_view {
 public:
  constexpr StringPiece() = default;
  constexpr StringPiece(const char* text) : std::string_view(text) {}
  constexpr StringPiece(const char* data, size_t size) : std::string_view(data, size) {}
  constexpr StringPiece(std::string_view view) : std::string_view(view) {}
  StringPiece(const std::string& text) : std::string_view(text) {}

  std::string ToString() const { return std::string(data(), size()); }

  bool starts_with(std::string_view prefix) const { return substr(0, prefix.size()) == prefix; }
  bool ends_with(std::string_view suffix) const {
    return size() >= suffix.size() && substr(size() - suffix.size()) == suffix;
  }
};

}  // namespace recordfs_adapter
}  // namespace tensorflow

// Newer sources name the same things in this namespace.
namespace tsl {
using namespace tensorflow;  // NOLINT
}  // namespace tsl

#ifndef PLATFORM_POSIX
#define PLATFORM_POSIX
#endif
#ifndef TF_DISALLOW_COPY_AND_ASSIGN
#define TF_DISALLOW_COPY_AND_ASSIGN(Type) \
  Type(const Type&) = delete;             \
  void operator=(const Type&) = delete
#endif
#ifndef TF_MUST_USE_RESULT
#define TF_MUST_USE_RESULT
#endif
#ifndef TF_ATTRIBUTE_NORETURN
#define TF_ATTRIBUTE_NORETURN __attribute__((noreturn))
#define TF_ATTRIBUTE_UNUSED __attribute__((unused))
#endif
#ifndef TF_PREDICT_FALSE
#define TF_PREDICT_FALSE(condition) (condition)
#define TF_PREDICT_TRUE(condition) (condition)
#endif

#endif  // RECORDFS_TYPES_H_
