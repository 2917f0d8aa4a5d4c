// Paths as text: URIs taken apart and put together, names cleaned and joined, patterns matched. Namespace tensorflow::io.

#ifndef RECORDFS_PATH_H_
#define RECORDFS_PATH_H_

#include <fnmatch.h>

#include <cctype>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "recordfs/types.h"

namespace tensorflow {
inline namespace recordfs_adapter {
namespace io {

inline bool IsAbsolutePath(StringPiece path) { return !path.empty() && path[0] == '/'; }

// Splits "scheme://host/path"; without a scheme all of it is the path.
inline void ParseURI(StringPiece uri, StringPiece* scheme, StringPiece* host, StringPiece* path) {
  size_t end = uri.find("://");
  bool has_scheme = end != std::string_view::npos && end > 0 && std::isalpha(static_cast<unsigned char>(uri[0]));
  for (size_t i = 1; has_scheme && i < end; i++) {
    has_scheme = std::isalnum(static_cast<unsigned char>(uri[i])) || uri[i] == '.' || uri[i] == '+' || uri[i] == '-' ||
                 uri[i] == '_';
  }
  if (!has_scheme) {
    *scheme = *host = StringPiece();
    *path = uri;
    return;
  }
  std::string_view rest = uri.substr(end + 3);
  size_t slash = rest.find('/');
  *scheme = uri.substr(0, end);
  *host = rest.substr(0, slash);
  *path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
}

inline std::string CreateURI(StringPiece scheme, StringPiece host, StringPiece path) {
  if (scheme.empty()) return path.ToString();
  return scheme.ToString() + "://" + host.ToString() + path.ToString();
}

// The path without "//", "." and "..", by text alone.
inline std::string CleanPath(StringPiece path) {
  bool absolute = IsAbsolutePath(path);
  std::vector<std::string_view> parts;
  for (size_t start = 0; start <= path.size();) {
    size_t end = path.find('/', start);
    if (end == std::string_view::npos) end = path.size();
    std::string_view part = path.substr(start, end - start);
    start = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (!absolute) {
      parts.push_back(part);
    }
  }
  std::string cleaned(absolute ? "/" : "");
  for (size_t i = 0; i < parts.size(); i++) {
    if (i > 0) cleaned += '/';
    cleaned += parts[i];
  }
  return cleaned.empty() ? "." : cleaned;
}

// Where the last component of a URI begins, and where the part before it ends.
inline std::pair<StringPiece, StringPiece> SplitPath(StringPiece uri) {
  StringPiece scheme, host, path;
  ParseURI(uri, &scheme, &host, &path);
  size_t before = uri.size() - path.size();
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {uri.substr(0, before), path};
  return {uri.substr(0, before + (slash == 0 ? 1 : slash)), path.substr(slash + 1)};
}

inline StringPiece Dirname(StringPiece uri) { return SplitPath(uri).first; }
inline StringPiece Basename(StringPiece uri) { return SplitPath(uri).second; }

inline StringPiece Extension(StringPiece uri) {
  StringPiece name = Basename(uri);
  size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? StringPiece(name.substr(name.size())) : StringPiece(name.substr(dot + 1));
}

// The components with one slash between each two of them.
template <typename... Parts>
std::string JoinPath(const Parts&... parts) {
  std::string joined;
  for (StringPiece part : std::initializer_list<StringPiece>{StringPiece(parts)...}) {
    if (part.empty()) continue;
    if (joined.empty()) {
      joined = part.ToString();
      continue;
    }
    while (!part.empty() && part[0] == '/') part = part.substr(1);
    if (joined.back() != '/') joined += '/';
    joined += part;
  }
  return joined;
}

}  // namespace io
}  // namespace recordfs_adapter
}  // namespace tensorflow

#endif  // RECORDFS_PATH_H_
