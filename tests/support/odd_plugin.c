/* A plugin with one file, "odd://x/file", that does what a macro says; see tests/unit/plugins/. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "filesystem_plugin.h"

#ifndef FILESYSTEM_ABI
#define FILESYSTEM_ABI 0
#endif
#ifndef READER_ABI
#define READER_ABI 0
#endif

static const char contents[] = "0123456789";
static char written[100];
static size_t written_size;

#ifdef NEEDS_C
int TF_CreateDir(const char *, TF_Status *);
#endif
void TF_VLog(int level, const char *format, ...);
void TF_Log(int level, const char *format, ...);

static void init(Handle *filesystem, TF_Status *status) {
#ifdef INIT_FAILS
  (void)filesystem;
  TF_SetStatus(status, 7, "no key for the vault");
#else
#ifdef INIT_INTERRUPTS
  kill(getppid(), SIGINT);
  for (;;) pause();
#endif
  filesystem->plugin = NULL;
  TF_VLog(1, "a secret: %d", 41);
  TF_Log(1, "ready for %s, %d and %.2f", "odd", 42, 1.5);
  TF_SetStatus(status, OK, "");
#ifdef NEEDS_C
  TF_CreateDir("/nowhere", status);
#endif
#endif
}

static void cleanup(Handle *handle) { (void)handle; }

static void stat_path(const Handle *filesystem, const char *path, FileStatistics *statistics, TF_Status *status) {
  (void)filesystem;
  bool is_root = strcmp(path, "/") == 0;
  if (!is_root && strcmp(path, "/file") != 0) {
    TF_SetStatus(status, NOT_FOUND, path);
    return;
  }
#ifndef LENGTH
#define LENGTH 10
#endif
  *statistics = (FileStatistics){is_root ? 0 : LENGTH, 0, is_root};
#ifdef DIRECTORY_BYTE
  memset(&statistics->is_directory, DIRECTORY_BYTE, 1);
#endif
  TF_SetStatus(status, OK, "");
}

static void open_file(const Handle *filesystem, const char *path, Handle *file, TF_Status *status) {
  (void)filesystem, (void)path;
  file->plugin = NULL;
  TF_SetStatus(status, OK, "");
}

static int64_t read_file(const Handle *file, uint64_t offset, size_t n, char *buffer, TF_Status *status) {
  (void)file;
#ifdef READ_DIES
  raise(SIGSEGV);
#endif
#ifdef READ_STOPS_AT
  if (offset >= READ_STOPS_AT) {
    TF_SetStatus(status, OK, "");
    return 0;
  }
  if (n > READ_STOPS_AT - offset) n = READ_STOPS_AT - offset;
#endif
#ifdef READ_ENDS_AT
  if (offset + n > READ_ENDS_AT) {
    size_t there = offset < READ_ENDS_AT ? READ_ENDS_AT - offset : 0;
    memcpy(buffer, contents + offset, there);
    TF_SetStatus(status, OUT_OF_RANGE, "the end");
    return (int64_t)there;
  }
#endif
#ifdef READ_LIES
  TF_SetStatus(status, OK, "");
  return (int64_t)n + 1;
#endif
#ifdef LARGEST_READ
  if (n > LARGEST_READ) raise(SIGSEGV);
#endif
  size_t left = offset < 10 ? 10 - offset : 0;
  size_t count = n < left ? n : left;
  memcpy(buffer, contents + offset, count);
  TF_SetStatus(status, count < n ? OUT_OF_RANGE : OK, "");
  return count == 0 && n > 0 ? -1 : (int64_t)count;
}

static void append(const Handle *file, const char *data, size_t n, TF_Status *status) {
  (void)file;
#ifdef LARGEST_APPEND
  if (n > LARGEST_APPEND) raise(SIGSEGV);
#endif
#ifdef APPEND_TAKES
  n = n < APPEND_TAKES ? n : APPEND_TAKES;
#endif
  memcpy(written + written_size, data, n);
  written_size += n;
#ifdef APPEND_TAKES
  TF_SetStatus(status, RESOURCE_EXHAUSTED, "the disk is full");
#else
  TF_SetStatus(status, OK, "");
#endif
}

static int64_t tell(const Handle *file, TF_Status *status) {
  (void)file;
  TF_SetStatus(status, OK, "");
#ifdef TELL
  return TELL;
#endif
  return (int64_t)written_size;
}

static void close_file(const Handle *file, TF_Status *status) {
  (void)file;
#ifdef CLOSE_FAILS
  TF_SetStatus(status, 14, "the network is gone");
#else
  TF_SetStatus(status, OK, "");
#endif
}

static const void *data_of_region(const Handle *region) {
  (void)region;
  return contents;
}

#ifndef REGION_LENGTH
#define REGION_LENGTH 10
#endif
static uint64_t length_of_region(const Handle *region) {
  (void)region;
  return REGION_LENGTH;
}

static int get_children(const Handle *filesystem, const char *path, char ***names, TF_Status *status) {
  (void)filesystem, (void)path;
#ifdef NULL_NAMES
  *names = NULL;
  TF_SetStatus(status, OK, "");
  return NULL_NAMES;
#endif
  *names = malloc(4 * sizeof **names);
  (*names)[0] = strdup("file");
  (*names)[1] = strdup("file");
  (*names)[2] = strdup("gone/");
#ifdef CHILD_WITH_SLASH
  (*names)[3] = strdup("../../etc/passwd");
#else
  (*names)[3] = strdup("..");
#endif
#ifdef COUNT_LIES
  *names = realloc(*names, 5 * sizeof **names);
  (*names)[4] = NULL;
  TF_SetStatus(status, OK, "");
  return 0x7fffffff;
#endif
  TF_SetStatus(status, OK, "");
  return 4;
}

static void *copied(const void *original, size_t size) {
  void *copy = malloc(size);
  memcpy(copy, original, size);
  return copy;
}

#ifdef NO_ENTRY_POINT
#define TF_InitPlugin some_other_name
void some_other_name(PluginInfo *info);
#endif

__attribute__((visibility("default"))) void TF_InitPlugin(PluginInfo *info) {
  static const ReaderTable reader = {.cleanup = cleanup, .read = read_file};
  static const WriterTable writer = {.cleanup = cleanup, .append = append, .tell = tell, .close = close_file};
  static const RegionTable region = {.cleanup = cleanup, .data = data_of_region, .length = length_of_region};
  static const FileSystemTable filesystem = {
#ifndef NO_INIT
      .init = init,
#endif
      .cleanup = cleanup,
      .new_random_access_file = open_file,
      .new_writable_file = open_file,
#ifdef APPENDS
      .new_appendable_file = open_file,
#endif
      .new_read_only_memory_region_from_file = open_file,
      .stat = stat_path,
      .get_children = get_children,
  };
  memset(info, 0, sizeof *info);
#ifndef NO_ALLOCATOR
  info->allocate = malloc;
  info->release = free;
#endif
#ifndef SCHEME_COUNT
#define SCHEME_COUNT 1
#endif
  info->scheme_count = (size_t)SCHEME_COUNT;
#ifndef SCHEME
#define SCHEME "odd"
#endif
  info->schemes = calloc(2, sizeof *info->schemes);
  for (int i = 0; i < 2; i++) info->schemes[i] = (SchemeTable){
      .scheme = strdup(SCHEME),
      .filesystem_abi = FILESYSTEM_ABI,
      .filesystem_api = 7, /* another API is no fault */
      .filesystem_size = sizeof filesystem,
      .filesystem = copied(&filesystem, sizeof filesystem),
      .reader_abi = READER_ABI,
      .reader_size = sizeof reader,
      .reader = copied(&reader, sizeof reader),
      .writer_size = sizeof writer,
      .writer = copied(&writer, sizeof writer),
      .region_size = sizeof region,
      .region = copied(&region, sizeof region),
  };
}
