/* Against a hub and a package index of our own, on loopback; archives are made by the system's tar. */
#include "net/http_server.h"
#include "net/source.h"

#include "base/files.h"
#include "base/memory.h"
#include "support/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static test_folder folder;
static sam_http_server *server;
static atomic_int asked;
static const char *page_type = "text/html";

static sam_http_next listing(sam_http_request *request, void *user)
{
    (void)user;
    atomic_fetch_add(&asked, 1);
    const char *name = sam_http_parameter(request, "name");
    if (strcmp(name, "tiny") == 0)
        return sam_http_answer_json(request, 200,
                                    json_pack("{s:s, s:[{s:s},{s:s},{s:s},{s:s},{s:s}]}", "sha", "c0ffee", "siblings",
                                              "rfilename", "config.json", "rfilename", "model.safetensors", "rfilename",
                                              "README.md", "rfilename", "../evil", "rfilename", "onnx/model.onnx"));
    if (strcmp(name, "two") == 0)
        return sam_http_answer_json(request, 200,
                                    json_pack("{s:s, s:[{s:s},{s:s}]}", "sha", "beef", "siblings", "rfilename",
                                              "a.gguf", "rfilename", "b.gguf"));
    return sam_http_answer_fail(request, SAM_NOT_FOUND, "Repository not found");
}

static sam_http_next repository_file(sam_http_request *request, void *user)
{
    (void)user;
    atomic_fetch_add(&asked, 1);
    char text[300];
    snprintf(text, sizeof text, "%s@%s", sam_http_parameter(request, "path"), sam_http_parameter(request, "rev"));
    return sam_http_answer_bytes(request, 200, NULL, text, strlen(text));
}

static sam_http_next index_page(sam_http_request *request, void *user)
{
    (void)user;
    atomic_fetch_add(&asked, 1);
    const char *text =
        strcmp(page_type, "text/html") == 0
            ? "<a href=\"/files/other-1.0.tar.gz#sha256=" /* the sum of another file is not ours */
              "0000000000000000000000000000000000000000000000000000000000000000\">w</a>"
              "<a href=\"../../files/my_data-1.0.tar.gz\">x</a><a href='/files/my-data-1.0.1.tar.gz'>y</a>"
            : "{\"files\":[{\"url\":\"/files/my_data-1.0.tar.gz\",\"hashes\":{\"sha256\":"
              "\"0000000000000000000000000000000000000000000000000000000000000000\"}}]}";
    return sam_http_answer_bytes(request, 200, page_type, text, strlen(text));
}

static sam_http_next archive(sam_http_request *request, void *user)
{
    (void)user;
    atomic_fetch_add(&asked, 1);
    char path[300];
    test_path(path, sizeof path, &folder, "my_data-1.0.tar.gz");
    sam_file_map file;
    if (sam_file_map_open(&file, path, NULL) != SAM_OK)
        return sam_http_answer_fail(request, SAM_NOT_FOUND, "no such archive");
    sam_http_next next = sam_http_answer_bytes(request, 200, "application/gzip", file.bytes, file.length);
    sam_file_map_close(&file);
    return next;
}

static const sam_http_route ROUTES[] = {
    {.method = "GET", .pattern = "/api/models/{org}/{name}/revision/{rev}", .handler = listing},
    {.method = "GET", .pattern = "/{org}/{name}/resolve/{rev}/{path*}", .handler = repository_file},
    {.method = "GET", .pattern = "/simple/my-data/", .handler = index_page},
    {.method = "GET", .pattern = "/files/{path*}", .handler = archive},
    {0}};

static void run(const char *format)
{
    char line[1000];
    snprintf(line, sizeof line, format, folder.path);
    if (system(line) != 0)
        fail_msg("could not run: %s", line);
}

static int begin(void **state)
{
    (void)state;
    sam_error err = {0};
    char url[200];
    if (!test_folder_make(&folder) ||
        sam_http_server_start(&server, &(sam_http_server_options){.listen = "127.0.0.1:0"}, ROUTES, &err) != SAM_OK)
        return -1;
    run("cd %s && mkdir -p my_data-1.0/sub/deep && echo hello > my_data-1.0/hello.txt && echo two > "
        "my_data-1.0/sub/two.txt && echo inner > my_data-1.0/sub/deep/inner.txt && "
        "tar -C my_data-1.0/sub -czf my_data-1.0/nested.tar.gz deep && tar -czf my_data-1.0.tar.gz my_data-1.0");
    setenv("XDG_CACHE_HOME", folder.path, 1);
    snprintf(url, sizeof url, "http://%s", sam_http_server_address(server));
    setenv("HF_ENDPOINT", url, 1);
    snprintf(url, sizeof url, "http://%s/simple", sam_http_server_address(server));
    setenv("PIP_INDEX_URL", url, 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sam_http_server_stop(server);
    test_folder_remove(&folder);
    return 0;
}

static char *resolve(const char *text, bool offline)
{
    char *path;
    sam_error err = {0};
    if (sam_source_resolve(text, &(sam_source_options){.offline = offline}, &path, &err) != SAM_OK)
        fail_msg("%s: %s", text, err.text);
    return path;
}

static void assert_content(const char *path, const char *name, const char *expected)
{
    char full[700];
    snprintf(full, sizeof full, "%s%s", path, name);
    sam_file_map file;
    sam_error err = {0};
    if (sam_file_map_open(&file, full, &err) != SAM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(file.length, strlen(expected));
    assert_memory_equal(file.bytes, expected, file.length);
    sam_file_map_close(&file);
}

static void a_model_of_a_hub_becomes_a_folder_with_what_a_model_needs(void **state)
{
    (void)state;
    char *path = resolve("hf:org/tiny", false), gone[600];
    assert_content(path, "/config.json", "config.json@c0ffee");
    assert_content(path, "/model.safetensors", "model.safetensors@c0ffee");
    snprintf(gone, sizeof gone, "%s/README.md", path);
    assert_false(sam_file_exists(gone));
    int before = asked;
    char *again = resolve("hf:org/tiny", true); /* offline: what was resolved once */
    assert_string_equal(again, path);
    assert_int_equal(asked, before);
    sam_free(again);
    sam_free(path);
    path = resolve("hf:org/two@main/b.gguf", false);
    assert_content(path, "", "b.gguf@beef");
    sam_free(path);
}

static void a_member_of_a_package_is_taken_out_also_from_a_nested_archive(void **state)
{
    (void)state;
    char *path = resolve("pypi:My.Data==1.0/hello.txt", false);
    assert_content(path, "", "hello\n");
    sam_free(path);
    path = resolve("pypi:my-data==1.0/nested.tar.gz!deep/inner.txt", false);
    assert_content(path, "", "inner\n");
    sam_free(path);
    path = resolve("pypi:my-data==1.0/sub/", false);
    assert_content(path, "/two.txt", "two\n");
    assert_content(path, "/deep/inner.txt", "inner\n");
    int before = asked;
    char *again = resolve("pypi:my-data==1.0/sub/", true);
    assert_string_equal(again, path);
    assert_int_equal(asked, before);
    sam_free(again);
    sam_free(path);
}

static void sources_that_cannot_be_had_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        sam_status status;
        const char *part;
    } CASES[] = {
        {"no/such/file", SAM_NOT_FOUND, "does not exist; a source is a path"},
        {"hf:org", SAM_INVALID, "expected hf:ORG/NAME"},
        {"hf:org/../x", SAM_INVALID, "expected hf:ORG/NAME"},
        {"hf:org/name/../../x", SAM_INVALID, "expected hf:ORG/NAME"},
        {"hf:org/unknown", SAM_NOT_FOUND, "HF_TOKEN"},
        {"hf:org/two", SAM_CONFLICT, "2 GGUF files"},
        {"hf:org/tiny#sha256=00", SAM_INVALID, "64 hexadecimal digits"},
        {"pypi:my-data/hello.txt", SAM_INVALID, "expected pypi:NAME==VERSION/PATH"},
        {"pypi:my-data==1.0/none.txt", SAM_NOT_FOUND, "no member my_data-1.0/none.txt"},
        {"pypi:my-data==1.0/../../etc/passwd", SAM_INVALID, "no path inside an archive"},
        {"pypi:my-data==1.0/none/", SAM_NOT_FOUND, "nothing below none/"},
        {"pypi:my-data==2.0/hello.txt", SAM_NOT_FOUND, "no sdist of my-data 2.0"},
        {"http://127.0.0.1:9/x", SAM_UNAVAILABLE, "cannot reach http://127.0.0.1:9/x"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char *path;
        sam_error err = {0};
        sam_status status = sam_source_resolve(CASES[i].text, &(sam_source_options){0}, &path, &err);
        if (status != CASES[i].status || strstr(err.text, CASES[i].part) == NULL)
            fail_msg("%s: %s: %s", CASES[i].text, sam_status_name(status), err.text);
        assert_null(path);
    }
}

static void the_sum_of_the_index_and_of_the_name_are_checked(void **state)
{
    (void)state;
    char text[300], *path;
    sam_error err = {0};
    snprintf(text, sizeof text, "http://%s/o/n/resolve/r/f#sha256=%064d", sam_http_server_address(server), 0);
    assert_int_equal(sam_source_resolve(text, &(sam_source_options){0}, &path, &err), SAM_CORRUPT);
    run("rm -rf %s/samara/pypi");
    page_type = "application/vnd.pypi.simple.v1+json";
    assert_int_equal(sam_source_resolve("pypi:my-data==1.0/hello.txt", &(sam_source_options){0}, &path, &err),
                     SAM_CORRUPT);
    page_type = "text/html";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_of_a_hub_becomes_a_folder_with_what_a_model_needs),
        cmocka_unit_test(a_member_of_a_package_is_taken_out_also_from_a_nested_archive),
        cmocka_unit_test(sources_that_cannot_be_had_say_why),
        cmocka_unit_test(the_sum_of_the_index_and_of_the_name_are_checked),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
