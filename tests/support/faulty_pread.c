/* Stands in front of the C library's functions that read a file at an offset, when it is preloaded. Native code reads ahead
 * by pread64, Python by preadv64 or preadv64v2. The window of number FAULTY that is read by pread64 does what a macro says;
 * with HANGS it is the first in a thread that reads ahead. DEAD_FROM is an offset from which on all reads fail. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define WINDOW (256 * 1024)

#ifndef FAULTY
#define FAULTY 0
#endif
#ifndef DEAD_FROM
#define DEAD_FROM INT64_MAX
#endif

static atomic_int reads;

/* How many windows were read by pread64. */
int windows_read(void);
int windows_read(void) { return atomic_load(&reads); }

#ifdef HANGS
static atomic_int hanging;

/* Whether a read hangs. */
int hangs(void);
int hangs(void) { return atomic_load(&hanging); }

static void hang_ahead(void) {
  char name[16];
  prctl(PR_GET_NAME, name);
  if (strcmp(name, "recordfs-ahead") == 0) {
    atomic_store(&hanging, 1);
    for (;;) pause();
  }
}
#endif

ssize_t pread64(int file, void *memory, size_t size, off64_t offset) {
  ssize_t (*next)(int, void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pread64");
  if (size == WINDOW) {
    if (offset >= DEAD_FROM) {
      errno = EIO;
      return -1;
    }
#ifdef HANGS
    hang_ahead();
#endif
    if (atomic_fetch_add(&reads, 1) + 1 == FAULTY) {
#ifdef INTERRUPTS
      kill(getpid(), SIGINT);
#endif
#ifdef FAILS
      errno = EIO;
      return -1;
#endif
#ifdef IS_SHORT
      size = 1000;
#endif
    }
  }
  return next(file, memory, size, offset);
}

ssize_t preadv64(int file, const struct iovec *parts, int count, off64_t offset) {
  ssize_t (*next)(int, const struct iovec *, int, off64_t) = dlsym(RTLD_NEXT, "preadv64");
  if (offset >= DEAD_FROM) {
    errno = EIO;
    return -1;
  }
  return next(file, parts, count, offset);
}

ssize_t preadv64v2(int file, const struct iovec *parts, int count, off64_t offset, int flags) {
  ssize_t (*next)(int, const struct iovec *, int, off64_t, int) = dlsym(RTLD_NEXT, "preadv64v2");
  if (offset >= DEAD_FROM) {
    errno = EIO;
    return -1;
  }
  return next(file, parts, count, offset, flags);
}
