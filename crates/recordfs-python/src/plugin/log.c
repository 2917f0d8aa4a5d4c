/* TF_Log, TF_VLog and TF_DVLog for plugins: variadic functions, which Rust cannot define. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { INFO = 0, WARNING = 1, ERROR = 2, FATAL = 3 };

static int level_from_environment(const char *name) {
  const char *value = getenv(name);
  return value == NULL ? 0 : atoi(value);
}

/* One line on standard error, written in one piece so that threads do not mix theirs. */
static void print_line(char mark, const char *format, va_list arguments) {
  char message[2000];
  vsnprintf(message, sizeof message, format, arguments);
  fprintf(stderr, "%c plugin: %s\n", mark, message);
}

__attribute__((visibility("hidden"))) void recordfs_plugin_log(int level, const char *format, ...) {
  va_list arguments;
  if (level < INFO || level > FATAL) level = FATAL;
  if (level == FATAL || level >= level_from_environment("TF_CPP_MIN_LOG_LEVEL")) {
    va_start(arguments, format);
    print_line("IWEF"[level], format, arguments);
    va_end(arguments);
  }
  if (level == FATAL) abort(); /* The plugin does not expect to be returned to; TensorFlow aborts, too. */
}

/* TF_VLog and TF_DVLog: messages for who looks for a plugin's faults, silent unless asked for. */
__attribute__((visibility("hidden"))) void recordfs_plugin_verbose_log(int level, const char *format, ...) {
  va_list arguments;
  if (level > level_from_environment("TF_CPP_MAX_VLOG_LEVEL")) return;
  va_start(arguments, format);
  print_line('I', format, arguments);
  va_end(arguments);
}
