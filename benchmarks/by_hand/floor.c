/* The least that a burst can cost: connect all, finish all handshakes, send all, read all.
   floor PORT CA_BUNDLE COUNT, built with: cc -O2 floor.c -lssl -lcrypto */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const char BODY[] = "{\"deployguard\": {\"canary\": 1, \"nonce\": \"0\", \"hold_ms\": 500}}";

typedef struct {
  int fd, answered;
  SSL *ssl;
} Line;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void begin(Line *line, SSL_CTX *context, int port, int poll) {
  struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(port)};
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int yes = 1;
  line->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (line->fd < 0) fail("socket");
  setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  connect(line->fd, (struct sockaddr *)&where, sizeof where);
  line->ssl = SSL_new(context);
  SSL_set_fd(line->ssl, line->fd);
  SSL_set_tlsext_host_name(line->ssl, "localhost");
  SSL_set1_host(line->ssl, "localhost");
  SSL_set_connect_state(line->ssl);
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = line};
  epoll_ctl(poll, EPOLL_CTL_ADD, line->fd, &event);
}

/* Go on with a handshake, or with an answer; 1 when that is done. */
static int advance(Line *line, int is_connected) {
  char heard[16384];
  int got = is_connected ? SSL_read(line->ssl, heard, sizeof heard) : SSL_do_handshake(line->ssl);
  if (got > 0) return !is_connected || (heard[got - 2] == '{' && heard[got - 1] == '}');
  int why = SSL_get_error(line->ssl, got);
  if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) fail("TLS");
  return 0;
}

static void all(int poll, int count, int is_connected) {
  struct epoll_event events[256];
  for (int done = 0; done < count;) {
    int found = epoll_wait(poll, events, 256, 60000);
    if (found <= 0) fail("epoll_wait");
    for (int at = 0; at < found; at++) {
      Line *line = events[at].data.ptr;
      if (line->answered == is_connected && advance(line, is_connected)) {
        line->answered++;
        done++;
      }
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int port = atoi(argv[1]), count = atoi(argv[3]), poll = epoll_create1(0);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  double began = now();
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  if (!SSL_CTX_load_verify_locations(context, argv[2], NULL)) fail("CA bundle");
  Line *lines = calloc(count, sizeof *lines);
  for (int at = 0; at < count; at++) begin(&lines[at], context, port, poll);
  all(poll, count, 0);
  double connected = now();
  char request[512];
  int size = snprintf(request, sizeof request,
                      "POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: localhost:%d\r\n"
                      "Content-Length: %zu\r\n\r\n%s", port, strlen(BODY), BODY);
  for (int at = 0; at < count; at++)
    if (SSL_write(lines[at].ssl, request, size) != size) fail("SSL_write");
  all(poll, count, 1);
  double ended = now();
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = used.ru_utime.tv_sec + used.ru_utime.tv_usec / 1e6 + used.ru_stime.tv_sec +
               used.ru_stime.tv_usec / 1e6;
  printf("{\"wall\": %f, \"connect\": %f, \"ok\": %d, \"cpu\": %f}\n", ended - began,
         connected - began, count, cpu);
  return 0;
}
