// Text: namespace str_util, numbers out of text, and Printf. (StrCat stands in status.h, which needs it.)

#ifndef RECORDFS_STRINGS_H_
#define RECORDFS_STRINGS_H_

#include <cctype>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "recordfs/status.h"
#include "recordfs/types.h"

namespace tensorflow {
inline namespace recordfs_adapter {
namespace str_util {

inline bool StartsWith(StringPiece text, StringPiece prefix) { return text.starts_with(prefix); }
inline bool EndsWith(StringPiece text, StringPiece suffix) { return text.ends_with(suffix); }
inline bool StrContains(StringPiece text, StringPiece part) { return text.find(part) != std::string_view::npos; }

// Takes a prefix off, and says whether it was there.
inline bool ConsumePrefix(StringPiece* text, StringPiece prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

inline bool ConsumeSuffix(StringPiece* text, StringPiece suffix) {
  if (!text->ends_with(suffix)) return false;
  text->remove_suffix(suffix.size());
  return true;
}

inline StringPiece StripPrefix(StringPiece text, StringPiece prefix) {
  ConsumePrefix(&text, prefix);
  return text;
}

inline StringPiece StripSuffix(StringPiece text, StringPiece suffix) {
  ConsumeSuffix(&text, suffix);
  return text;
}

inline std::string Lowercase(StringPiece text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

inline std::string Uppercase(StringPiece text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

inline bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// Takes white space off, and returns how many characters went.
inline size_t RemoveLeadingWhitespace(StringPiece* text) {
  size_t count = 0;
  while (count < text->size() && IsSpace((*text)[count])) count++;
  text->remove_prefix(count);
  return count;
}

inline size_t RemoveTrailingWhitespace(StringPiece* text) {
  size_t count = 0;
  while (count < text->size() && IsSpace((*text)[text->size() - 1 - count])) count++;
  text->remove_suffix(count);
  return count;
}

inline size_t RemoveWhitespaceContext(StringPiece* text) {
  size_t leading = RemoveLeadingWhitespace(text);
  return leading + RemoveTrailingWhitespace(text);
}

inline void StripTrailingWhitespace(std::string* text) {
  StringPiece piece(*text);
  RemoveTrailingWhitespace(&piece);
  text->resize(piece.size());
}

inline std::string StringReplace(StringPiece text, StringPiece from, StringPiece to, bool all) {
  std::string result(text);
  if (from.empty()) return result;
  for (size_t at = result.find(from); at != std::string::npos; at = result.find(from, at + to.size())) {
    result.replace(at, from.size(), to);
    if (!all) break;
  }
  return result;
}

// Elements of any type that a stream takes, with a separator between each two.
template <typename Elements>
std::string Join(const Elements& elements, const char* separator) {
  std::string result;
  const char* between = "";
  for (const auto& element : elements) {
    strings::StrAppend(&result, between, element);
    between = separator;
  }
  return result;
}

// Which parts Split keeps.
struct AllowEmpty {
  bool operator()(StringPiece) const { return true; }
};
struct SkipEmpty {
  bool operator()(StringPiece part) const { return !part.empty(); }
};
struct SkipWhitespace {
  bool operator()(StringPiece part) const {
    RemoveTrailingWhitespace(&part);
    return !part.empty();
  }
};

// The parts between any of the delimiters; of empty text none.
template <typename Predicate>
std::vector<std::string> Split(StringPiece text, StringPiece delimiters, Predicate keeps) {
  std::vector<std::string> parts;
  for (size_t start = 0; !text.empty() && start <= text.size();) {
    size_t end = text.find_first_of(delimiters, start);
    if (end == std::string_view::npos) end = text.size();
    StringPiece part(text.substr(start, end - start));
    if (keeps(part)) parts.emplace_back(part);
    start = end + 1;
  }
  return parts;
}

inline std::vector<std::string> Split(StringPiece text, StringPiece delimiters) {
  return Split(text, delimiters, AllowEmpty());
}

inline std::vector<std::string> Split(StringPiece text, char delimiter) {
  return Split(text, StringPiece(&delimiter, 1));
}

template <typename Predicate>
std::vector<std::string> Split(StringPiece text, char delimiter, Predicate keeps) {
  return Split(text, StringPiece(&delimiter, 1), keeps);
}

}  // namespace str_util

namespace strings {

// All of a text as a number, with white space around it; false, and `value` unchanged, if it is none or too large.
template <typename Number, typename Parse>
bool ParseNumber(StringPiece text, Number* value, Parse parse) {
  str_util::RemoveWhitespaceContext(&text);
  std::string copy(text);
  if (copy.empty() || copy.size() != std::string(copy.c_str()).size()) return false;
  char* end = nullptr;
  errno = 0;
  auto parsed = parse(copy.c_str(), &end);
  if (errno != 0 || *end != '\0') return false;
  if (parsed < std::numeric_limits<Number>::lowest() || parsed > std::numeric_limits<Number>::max()) return false;
  *value = static_cast<Number>(parsed);
  return true;
}

inline bool safe_strto64(StringPiece text, int64* value) {
  return ParseNumber(text, value, [](const char* s, char** end) { return std::strtoll(s, end, 10); });
}
inline bool safe_strto32(StringPiece text, int32* value) {
  return ParseNumber(text, value, [](const char* s, char** end) { return std::strtoll(s, end, 10); });
}
// The C functions take "-1" for the largest number.
inline bool safe_strtou64(StringPiece text, uint64* value) {
  if (text.find('-') != std::string_view::npos) return false;
  return ParseNumber(text, value, [](const char* s, char** end) { return std::strtoull(s, end, 10); });
}
inline bool safe_strtou32(StringPiece text, uint32* value) {
  if (text.find('-') != std::string_view::npos) return false;
  return ParseNumber(text, value, [](const char* s, char** end) { return std::strtoull(s, end, 10); });
}
inline bool safe_strtod(StringPiece text, double* value) {
  return ParseNumber(text, value, [](const char* s, char** end) { return std::strtod(s, end); });
}
inline bool safe_strtof(StringPiece text, float* value) {
  return ParseNumber(text, value, [](const char* s, char** end) { return std::strtof(s, end); });
}

__attribute__((format(printf, 2, 0))) inline void Appendv(std::string* target, const char* format, va_list arguments) {
  va_list measured;
  va_copy(measured, arguments);
  int size = std::vsnprintf(nullptr, 0, format, measured);
  va_end(measured);
  if (size <= 0) return;
  size_t before = target->size();
  target->resize(before + static_cast<size_t>(size) + 1);
  std::vsnprintf(&(*target)[before], static_cast<size_t>(size) + 1, format, arguments);
  target->pop_back();
}

__attribute__((format(printf, 2, 3))) inline void Appendf(std::string* target, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  Appendv(target, format, arguments);
  va_end(arguments);
}

__attribute__((format(printf, 1, 2))) inline std::string Printf(const char* format, ...) {
  std::string result;
  va_list arguments;
  va_start(arguments, format);
  Appendv(&result, format, arguments);
  va_end(arguments);
  return result;
}

}  // namespace strings
}  // namespace recordfs_adapter
}  // namespace tensorflow

#endif  // RECORDFS_STRINGS_H_
