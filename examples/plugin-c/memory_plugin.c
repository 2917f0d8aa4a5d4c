/* A filesystem plugin in C: files in memory, under cmem://, for TensorFlow and for recordfs.
 *
 *     make
 *     python -c 'import recordfs; recordfs.load_file_system_library("./libmemory_plugin.so")'
 *
 * The host calls from many threads, so one lock guards everything. The tree is one table from full names to nodes: "/a"
 * is a directory, "/a/b" a file in it. A node that is deleted while it is open lives on until it is closed.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "filesystem_plugin.h"

typedef struct {
  char *name; /* NULL once it is deleted */
  bool is_directory;
  char *data;
  size_t size, capacity;
  int64_t mtime_nsec;
  int users; /* the table, and each open file */
} Node;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Node **table;
static size_t table_size;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void fail(TF_Status *status, int code, const char *path, const char *what) {
  char message[1000];
  snprintf(message, sizeof message, "%s: %s", path, what);
  TF_SetStatus(status, code, message);
}

/* Everything below, up to the operations, needs the lock. */

static void let_go(Node *node) {
  if (--node->users > 0) return;
  free(node->name);
  free(node->data);
  free(node);
}

static Node *find(const char *name) {
  for (size_t i = 0; i < table_size; i++)
    if (strcmp(table[i]->name, name) == 0) return table[i];
  return NULL;
}

static bool is_below(const char *name, const char *directory) {
  size_t length = strlen(directory);
  if (strcmp(directory, "/") == 0) return name[1] != '\0';
  return strncmp(name, directory, length) == 0 && name[length] == '/';
}

static bool has_children(const char *directory) {
  for (size_t i = 0; i < table_size; i++)
    if (is_below(table[i]->name, directory)) return true;
  return false;
}

/* Whether a file or directory may come to stand at `name`: its parent has to be a directory. */
static bool parent_is_sound(const char *name, TF_Status *status) {
  char *parent = strdup(name);
  bool sound = true;
  for (char *slash = strrchr(parent, '/'); slash != NULL && slash != parent; slash = strrchr(parent, '/')) {
    *slash = '\0';
    Node *node = find(parent);
    if (node != NULL && node->is_directory) break;
    sound = false;
    if (node != NULL) {
      fail(status, FAILED_PRECONDITION, name, "a part above it is a file");
      free(parent);
      return false;
    }
  }
  if (!sound) fail(status, NOT_FOUND, name, "its directory is missing");
  free(parent);
  return sound;
}

static Node *existing(const char *name, TF_Status *status) {
  Node *node = find(name);
  if (node == NULL && parent_is_sound(name, status)) fail(status, NOT_FOUND, name, "no such file or directory");
  return node;
}

static Node *existing_file(const char *name, TF_Status *status) {
  Node *node = existing(name, status);
  if (node == NULL || !node->is_directory) return node;
  fail(status, FAILED_PRECONDITION, name, "a directory stands where a file is needed");
  return NULL;
}

static Node *add(const char *name, bool is_directory) {
  Node *node = calloc(1, sizeof *node);
  *node = (Node){.name = strdup(name), .is_directory = is_directory, .mtime_nsec = now(), .users = 1};
  table = realloc(table, (table_size + 1) * sizeof *table);
  table[table_size++] = node;
  return node;
}

static void take_out(Node *node) {
  for (size_t i = 0; i < table_size; i++) {
    if (table[i] != node) continue;
    table[i] = table[--table_size];
    let_go(node);
    return;
  }
}

/* The operations on open files. */

static void close_node(Handle *file) {
  pthread_mutex_lock(&lock);
  let_go(file->plugin);
  pthread_mutex_unlock(&lock);
}

static int64_t read_file(const Handle *file, uint64_t offset, size_t n, char *buffer, TF_Status *status) {
  pthread_mutex_lock(&lock);
  const Node *node = file->plugin;
  size_t left = offset < node->size ? node->size - offset : 0;
  size_t count = n < left ? n : left;
  if (count > 0) memcpy(buffer, node->data + offset, count);
  pthread_mutex_unlock(&lock);
  TF_SetStatus(status, count < n ? OUT_OF_RANGE : OK, count < n ? "the end of the file" : "");
  return (int64_t)count;
}

static void append(const Handle *file, const char *data, size_t n, TF_Status *status) {
  pthread_mutex_lock(&lock);
  Node *node = file->plugin;
  if (n > node->capacity - node->size) {
    size_t capacity = 2 * node->capacity > node->size + n ? 2 * node->capacity : node->size + n;
    char *larger = realloc(node->data, capacity);
    if (larger == NULL) {
      pthread_mutex_unlock(&lock);
      TF_SetStatus(status, RESOURCE_EXHAUSTED, "out of memory");
      return;
    }
    node->data = larger;
    node->capacity = capacity;
  }
  if (n > 0) memcpy(node->data + node->size, data, n);
  node->size += n;
  node->mtime_nsec = now();
  pthread_mutex_unlock(&lock);
  TF_SetStatus(status, OK, "");
}

static int64_t tell(const Handle *file, TF_Status *status) {
  pthread_mutex_lock(&lock);
  int64_t position = (int64_t)((const Node *)file->plugin)->size;
  pthread_mutex_unlock(&lock);
  TF_SetStatus(status, OK, "");
  return position;
}

/* What was appended is in the file already. */
static void nothing_to_do(const Handle *file, TF_Status *status) {
  (void)file;
  TF_SetStatus(status, OK, "");
}

/* The operations on the filesystem. `path` is what the host makes of "cmem://host/a/b" without a translate_name: "/a/b". */

static void init(Handle *filesystem, TF_Status *status) {
  filesystem->plugin = NULL;
  pthread_mutex_lock(&lock);
  if (find("/") == NULL) add("/", true);
  pthread_mutex_unlock(&lock);
  TF_SetStatus(status, OK, "");
}

static void cleanup(Handle *filesystem) { (void)filesystem; }

static void open_reader(const Handle *filesystem, const char *path, Handle *file, TF_Status *status) {
  (void)filesystem;
  pthread_mutex_lock(&lock);
  Node *node = existing_file(path, status);
  if (node != NULL) {
    node->users++;
    file->plugin = node;
    TF_SetStatus(status, OK, "");
  }
  pthread_mutex_unlock(&lock);
}

static void open_writer(const char *path, bool replace, Handle *file, TF_Status *status) {
  pthread_mutex_lock(&lock);
  Node *node = find(path);
  if (node != NULL ? existing_file(path, status) != NULL : parent_is_sound(path, status)) {
    if (node != NULL && replace) {
      take_out(node); /* who has the old file open keeps it */
      node = NULL;
    }
    if (node == NULL) node = add(path, false);
    node->users++;
    file->plugin = node;
    TF_SetStatus(status, OK, "");
  }
  pthread_mutex_unlock(&lock);
}

static void new_writable_file(const Handle *filesystem, const char *path, Handle *file, TF_Status *status) {
  (void)filesystem;
  open_writer(path, true, file, status);
}

static void new_appendable_file(const Handle *filesystem, const char *path, Handle *file, TF_Status *status) {
  (void)filesystem;
  open_writer(path, false, file, status);
}

static void create_dir(const Handle *filesystem, const char *path, TF_Status *status) {
  (void)filesystem;
  pthread_mutex_lock(&lock);
  if (find(path) != NULL) {
    fail(status, ALREADY_EXISTS, path, "a file or directory is there already");
  } else if (parent_is_sound(path, status)) {
    add(path, true);
    TF_SetStatus(status, OK, "");
  }
  pthread_mutex_unlock(&lock);
}

static void delete_file(const Handle *filesystem, const char *path, TF_Status *status) {
  (void)filesystem;
  pthread_mutex_lock(&lock);
  Node *node = existing_file(path, status);
  if (node != NULL) {
    take_out(node);
    TF_SetStatus(status, OK, "");
  }
  pthread_mutex_unlock(&lock);
}

static void delete_dir(const Handle *filesystem, const char *path, TF_Status *status) {
  (void)filesystem;
  pthread_mutex_lock(&lock);
  Node *node = existing(path, status);
  if (node != NULL && !node->is_directory) {
    fail(status, FAILED_PRECONDITION, path, "not a directory");
  } else if (node != NULL && (has_children(path) || strcmp(path, "/") == 0)) {
    fail(status, FAILED_PRECONDITION, path, "the directory is not empty");
  } else if (node != NULL) {
    take_out(node);
    TF_SetStatus(status, OK, "");
  }
  pthread_mutex_unlock(&lock);
}

static void rename_file(const Handle *filesystem, const char *source, const char *target, TF_Status *status) {
  (void)filesystem;
  pthread_mutex_lock(&lock);
  Node *node = existing_file(source, status);
  Node *replaced = find(target);
  if (node != NULL && node != replaced &&
      (replaced != NULL ? existing_file(target, status) != NULL : parent_is_sound(target, status))) {
    if (replaced != NULL) take_out(replaced);
    free(node->name);
    node->name = strdup(target);
    TF_SetStatus(status, OK, "");
  } else if (node != NULL && node == replaced) {
    TF_SetStatus(status, OK, "");
  }
  pthread_mutex_unlock(&lock);
}

static void path_exists(const Handle *filesystem, const char *path, TF_Status *status) {
  (void)filesystem;
  pthread_mutex_lock(&lock);
  if (existing(path, status) != NULL) TF_SetStatus(status, OK, "");
  pthread_mutex_unlock(&lock);
}

static void stat_path(const Handle *filesystem, const char *path, FileStatistics *statistics, TF_Status *status) {
  (void)filesystem;
  pthread_mutex_lock(&lock);
  const Node *node = existing(path, status);
  if (node != NULL) {
    *statistics = (FileStatistics){(int64_t)node->size, node->mtime_nsec, node->is_directory};
    TF_SetStatus(status, OK, "");
  }
  pthread_mutex_unlock(&lock);
}

static int get_children(const Handle *filesystem, const char *path, char ***names, TF_Status *status) {
  (void)filesystem;
  int count = -1;
  pthread_mutex_lock(&lock);
  const Node *node = existing(path, status);
  if (node != NULL && !node->is_directory) {
    fail(status, FAILED_PRECONDITION, path, "not a directory");
  } else if (node != NULL) {
    size_t start = strcmp(path, "/") == 0 ? 1 : strlen(path) + 1;
    *names = malloc((table_size + 1) * sizeof **names);
    count = 0;
    for (size_t i = 0; i < table_size; i++)
      if (is_below(table[i]->name, path) && strchr(table[i]->name + start, '/') == NULL)
        (*names)[count++] = strdup(table[i]->name + start);
    TF_SetStatus(status, OK, "");
  }
  pthread_mutex_unlock(&lock);
  return count;
}

/* The tables. The host frees each of them by itself. */

static void *copied(const void *original, size_t size) {
  void *copy = malloc(size);
  memcpy(copy, original, size);
  return copy;
}

__attribute__((visibility("default"))) void TF_InitPlugin(PluginInfo *info) {
  static const ReaderTable reader = {.cleanup = close_node, .read = read_file};
  static const WriterTable writer = {.cleanup = close_node,
                                     .append = append,
                                     .tell = tell,
                                     .flush = nothing_to_do,
                                     .sync = nothing_to_do,
                                     .close = nothing_to_do};
  static const FileSystemTable filesystem = {.init = init,
                                             .cleanup = cleanup,
                                             .new_random_access_file = open_reader,
                                             .new_writable_file = new_writable_file,
                                             .new_appendable_file = new_appendable_file,
                                             .create_dir = create_dir,
                                             .delete_file = delete_file,
                                             .delete_dir = delete_dir,
                                             .rename_file = rename_file,
                                             .path_exists = path_exists,
                                             .stat = stat_path,
                                             .get_children = get_children};
  info->allocate = malloc;
  info->release = free;
  info->scheme_count = 1;
  info->schemes = calloc(1, sizeof *info->schemes); /* ABI and API numbers are 0 */
  info->schemes[0].scheme = strdup("cmem");
  info->schemes[0].filesystem_size = sizeof filesystem;
  info->schemes[0].filesystem = copied(&filesystem, sizeof filesystem);
  info->schemes[0].reader_size = sizeof reader;
  info->schemes[0].reader = copied(&reader, sizeof reader);
  info->schemes[0].writer_size = sizeof writer;
  info->schemes[0].writer = copied(&writer, sizeof writer);
}
