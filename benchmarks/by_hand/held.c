/* A TLS server that costs little: answers each request 500 ms after it came, and notes when.
   held CERTIFICATE_AND_KEY, built with: cc -O2 held.c -lssl -lcrypto; prints its port. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define HOLD_S 0.5
#define MOST 65536 /* requests at once */

typedef struct {
  int fd, length;
  SSL *ssl;
  char seen[8192];
} Line;

static const char OK[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
static double arrivals[MOST];
static Line *held[MOST]; /* by arrival; the hold is the same for all */
static int arrived, released;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void end(Line *line) {
  SSL_free(line->ssl);
  line->ssl = NULL;
  close(line->fd);
}

static void tell(Line *line) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = used.ru_utime.tv_sec + used.ru_utime.tv_usec / 1e6 + used.ru_stime.tv_sec +
               used.ru_stime.tv_usec / 1e6;
  char *text = malloc(MOST * 24);
  int size = sprintf(text, "{\"cpu\": %f, \"arrivals\": [", cpu), start = size;
  for (int at = 0; at < arrived; at++)
    size += sprintf(text + size, "%s%.6f", size > start ? ", " : "", arrivals[at]);
  size += sprintf(text + size, "]}");
  char head[96];
  int length = sprintf(head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size);
  SSL_write(line->ssl, head, length);
  for (int sent = 0, some; sent < size; sent += some > 0 ? some : 0) /* the client is reading */
    some = SSL_write(line->ssl, text + sent, size - sent);
  free(text);
  arrived = released = 0;
}

static void hear(Line *line) {
  int got = 0, room;
  ERR_clear_error(); /* what another connection left would be taken for this one's */
  while (SSL_is_init_finished(line->ssl) && (room = sizeof line->seen - 1 - line->length) > 0 &&
         (got = SSL_read(line->ssl, line->seen + line->length, room)) > 0)
    line->length += got;
  if (!SSL_is_init_finished(line->ssl)) got = SSL_do_handshake(line->ssl);
  int why = got > 0 ? 0 : SSL_get_error(line->ssl, got);
  line->seen[line->length] = 0;
  if (strncmp(line->seen, "GET", 3) == 0 && strstr(line->seen, "\r\n\r\n")) {
    line->length = 0;
    tell(line);
  } else if (line->length > 2 && strcmp(line->seen + line->length - 2, "}}") == 0) {
    line->length = 0;
    arrivals[arrived] = now();
    held[arrived++] = line;
  }
  if (why && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) end(line);
}

static void accept_all(int door, int poll, SSL_CTX *context) {
  int fd, yes = 1;
  while ((fd = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    Line *line = calloc(1, sizeof *line); /* never freed: one may still be held when it ends */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    line->fd = fd;
    line->ssl = SSL_new(context);
    SSL_set_fd(line->ssl, fd);
    SSL_set_accept_state(line->ssl);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = line};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
  }
}

static int release(void) {
  for (; released < arrived; released++) {
    double left = arrivals[released] + HOLD_S - now();
    if (left > 0) return (int)(left * 1000) + 1;
    if (held[released]->ssl) SSL_write(held[released]->ssl, OK, sizeof OK - 1);
  }
  return -1;
}

int main(int argc, char **argv) {
  struct sockaddr_in where = {.sin_family = AF_INET};
  socklen_t size = sizeof where;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  if (argc != 2 || SSL_CTX_use_certificate_chain_file(context, argv[1]) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, argv[1], SSL_FILETYPE_PEM) != 1)
    return 2;
  int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0);
  if (bind(door, (struct sockaddr *)&where, size) || listen(door, 4096)) return 1;
  getsockname(door, (struct sockaddr *)&where, &size);
  printf("%d\n", ntohs(where.sin_port));
  fflush(stdout);
  struct epoll_event event = {.events = EPOLLIN}, events[256];
  epoll_ctl(poll, EPOLL_CTL_ADD, door, &event);
  for (;;) {
    int found = epoll_wait(poll, events, 256, release());
    for (int at = 0; at < found; at++) {
      Line *line = events[at].data.ptr;
      if (!line)
        accept_all(door, poll, context);
      else if (line->ssl)
        hear(line);
    }
  }
}
