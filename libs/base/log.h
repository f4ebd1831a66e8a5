/* Diagnostics for people and for log collectors, on stderr, one line each.
 *
 *     sam_log_init("samara-worker", SAM_LOG_INFO, SAM_LOG_TEXT);
 *     sam_log_info("joined run %s as worker %u", manifest->id_hex, 3u);
 *
 * Libraries log only through here and never print. Levels: error (work is lost or a process ends), warn (it goes on,
 * someone should look), info (what an operator wants to see once), debug. SAMARA_LOG=debug and SAMARA_LOG_FORMAT=json
 * override what the program asked for. Thread safety: a line is one write(2), so lines of threads never mix; init is
 * called once, before threads start.
 */
#ifndef SAM_BASE_LOG_H
#define SAM_BASE_LOG_H

typedef enum sam_log_level { SAM_LOG_ERROR, SAM_LOG_WARN, SAM_LOG_INFO, SAM_LOG_DEBUG } sam_log_level;
typedef enum sam_log_format { SAM_LOG_TEXT, SAM_LOG_JSON } sam_log_format;

void sam_log_init(const char *program, sam_log_level level, sam_log_format format);
int sam_log_enabled(sam_log_level level);
void sam_log(sam_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define sam_log_error(...) sam_log(SAM_LOG_ERROR, __VA_ARGS__)
#define sam_log_warn(...)  sam_log(SAM_LOG_WARN, __VA_ARGS__)
#define sam_log_info(...)  sam_log(SAM_LOG_INFO, __VA_ARGS__)
#define sam_log_debug(...) sam_log(SAM_LOG_DEBUG, __VA_ARGS__)

#endif
