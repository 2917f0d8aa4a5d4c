/* TensorFlow's C interface for filesystem plugins, as far as this example needs it, in declarations of our own.
 *
 * A plugin is a shared library that exports TF_InitPlugin. The host - TensorFlow, or recordfs - calls it once, copies the
 * tables of operations that it fills in, and frees them with the plugin's own `release`. Each table carries the number of
 * the ABI it was built for, and its size: an operation that stands past the size, or is NULL, is one the plugin lacks.
 */

#ifndef FILESYSTEM_PLUGIN_H_
#define FILESYSTEM_PLUGIN_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The host's; set with TF_SetStatus. A status is OK until it is set. */
typedef struct TF_Status TF_Status;

enum StatusCode {
  OK = 0,
  NOT_FOUND = 5,
  ALREADY_EXISTS = 6,
  RESOURCE_EXHAUSTED = 8,
  FAILED_PRECONDITION = 9,
  OUT_OF_RANGE = 11,
};

/* Defined by the host. */
void TF_SetStatus(TF_Status *status, int code, const char *message);

/* One pointer of the plugin's in memory of the host's: a filesystem, or something that it opened. */
typedef struct {
  void *plugin;
} Handle;

typedef struct {
  int64_t length;
  int64_t mtime_nsec;
  bool is_directory;
} FileStatistics;

typedef struct {
  void (*cleanup)(Handle *file);
  /* Fewer bytes than asked for go with OUT_OF_RANGE. May be called from many threads at once. */
  int64_t (*read)(const Handle *file, uint64_t offset, size_t n, char *buffer, TF_Status *);
} ReaderTable;

typedef struct {
  void (*cleanup)(Handle *file);
  void (*append)(const Handle *file, const char *data, size_t n, TF_Status *);
  int64_t (*tell)(const Handle *file, TF_Status *);
  void (*flush)(const Handle *file, TF_Status *);
  void (*sync)(const Handle *file, TF_Status *);
  void (*close)(const Handle *file, TF_Status *);
} WriterTable;

typedef struct {
  void (*cleanup)(Handle *region);
  const void *(*data)(const Handle *region);
  uint64_t (*length)(const Handle *region);
} RegionTable;

typedef struct {
  void (*init)(Handle *filesystem, TF_Status *);
  void (*cleanup)(Handle *filesystem);
  void (*new_random_access_file)(const Handle *, const char *path, Handle *file, TF_Status *);
  void (*new_writable_file)(const Handle *, const char *path, Handle *file, TF_Status *);
  void (*new_appendable_file)(const Handle *, const char *path, Handle *file, TF_Status *);
  void (*new_read_only_memory_region_from_file)(const Handle *, const char *path, Handle *region, TF_Status *);
  void (*create_dir)(const Handle *, const char *path, TF_Status *);
  void (*recursively_create_dir)(const Handle *, const char *path, TF_Status *);
  void (*delete_file)(const Handle *, const char *path, TF_Status *);
  void (*delete_dir)(const Handle *, const char *path, TF_Status *);
  void (*delete_recursively)(const Handle *, const char *path, uint64_t *files, uint64_t *directories, TF_Status *);
  void (*rename_file)(const Handle *, const char *source, const char *target, TF_Status *);
  void (*copy_file)(const Handle *, const char *source, const char *target, TF_Status *);
  void (*path_exists)(const Handle *, const char *path, TF_Status *);
  bool (*paths_exist)(const Handle *, char **paths, int count, TF_Status **);
  void (*stat)(const Handle *, const char *path, FileStatistics *, TF_Status *);
  /* The host looks at the status: OK for a directory, FAILED_PRECONDITION for a file. */
  bool (*is_directory)(const Handle *, const char *path, TF_Status *);
  int64_t (*get_file_size)(const Handle *, const char *path, TF_Status *);
  char *(*translate_name)(const Handle *, const char *uri);
  /* The array and the names come from the plugin's `allocate`; the host frees them. */
  int (*get_children)(const Handle *, const char *path, char ***names, TF_Status *);
  int (*get_matching_paths)(const Handle *, const char *pattern, char ***paths, TF_Status *);
  void (*flush_caches)(const Handle *);
  void (*unused[11])(void); /* transactions and settings, which no host calls */
} FileSystemTable;

typedef struct {
  char *scheme;
  int filesystem_abi, filesystem_api;
  size_t filesystem_size;
  FileSystemTable *filesystem;
  int reader_abi, reader_api;
  size_t reader_size;
  ReaderTable *reader;
  int writer_abi, writer_api;
  size_t writer_size;
  WriterTable *writer;
  int region_abi, region_api;
  size_t region_size;
  RegionTable *region;
} SchemeTable;

typedef struct {
  size_t scheme_count;
  SchemeTable *schemes;
  void *(*allocate)(size_t size);
  void (*release)(void *memory);
} PluginInfo;

void TF_InitPlugin(PluginInfo *info);

#ifdef __cplusplus
}
#endif

#endif /* FILESYSTEM_PLUGIN_H_ */
