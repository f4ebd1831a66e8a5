/* The dashboard, and what orchestrators ask. */
#include "gateway/gateway.h"

#include <string.h>

extern const char gateway_dashboard_html[]; /* dashboard.html, by samara_embed */

sam_http_next gateway_show_page(sam_http_request *request, void *user)
{
    (void)user;
    sam_http_set_header(
        request, "Content-Security-Policy",
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    sam_http_set_header(request, "X-Content-Type-Options", "nosniff");
    sam_http_set_header(request, "Referrer-Policy", "no-referrer");
    sam_http_set_header(request, "Cache-Control", "no-cache");
    return sam_http_answer_bytes(request, 200, "text/html; charset=utf-8", gateway_dashboard_html,
                                 strlen(gateway_dashboard_html));
}

sam_http_next gateway_show_health(sam_http_request *request, void *user)
{
    (void)user;
    return sam_http_answer_bytes(request, 200, "text/plain; charset=utf-8", "ok\n", 3);
}

sam_http_next gateway_show_readiness(sam_http_request *request, void *user)
{
    const gateway_service *gateway = user;
    if (!gateway_follower_redis_up(&gateway->follower))
        return sam_http_answer_fail(request, SAM_UNAVAILABLE,
                                    "Redis does not answer: what was read before is served, news is not");
    if (!gateway_follower_caught_up(&gateway->follower))
        return sam_http_answer_fail(request, SAM_UNAVAILABLE, "the logs are still being read");
    return sam_http_answer_bytes(request, 200, "text/plain; charset=utf-8", "ready\n", 6);
}
