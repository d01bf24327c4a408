/*
 * fan: a load generator that connects thousands of readers from one process.
 *
 * It opens connections to an event stream or a WebSocket channel, reads all of them in one epoll
 * loop, and prints its measurements as one JSON object: deliveries, latency, lost and duplicate
 * events, the longest silence, and the CPU time and memory of the server. It is written in C,
 * because a client in Python would be slower than the servers that it measures.
 *
 * An event is recognised by the stamp in its JSON, `"mono_ns":N,"seq":N`: the CLOCK_MONOTONIC time
 * at which it was due, and its sequence number. HTTP chunks and WebSocket frames are not parsed:
 * none of the servers splits a stamp over two of them. If one did, the event would count as lost.
 * With --deflate, frames are parsed, and those that are compressed are inflated.
 *
 * The program is one file and needs only a C compiler, and for --deflate zlib:
 *
 *     cc -O2 -o fan fan.c -lz && ./fan --port 8000 --path /stream/rover-telemetry --readers 1000
 */
#define _GNU_SOURCE
#if __has_include(<zlib.h>) && !defined(NO_ZLIB)
#include <zlib.h>
#define HAS_ZLIB 1
#else
#define HAS_ZLIB 0
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    IN_FLIGHT = 128,           /* maximum number of open handshakes, below any listen backlog */
    READ_BYTES = 256 * 1024,
    TAIL_BYTES = 96,           /* longer than any stamp */
    LATENCY_STEP_NS = 20000,   /* resolution of the histogram */
    LATENCY_STEPS = 1 << 20,   /* the histogram ends at 21 s; longer latencies count as 21 s */
    STALLED_RECEIVE_BYTES = 4096,
    MESSAGE_BYTES = 250,
    EXTRA_BYTES = 100,         /* around a message */
};

static const uint64_t SECOND = 1000000000;

/* ---------------------------------------------------------------------------------- options */

static struct {
    bool websocket, deflate;
    int port, readers, early, stalled, channels;
    const char *path, *pids, *hello, *before, *after;
    double connect_s, warmup_s, window_s, churn_hz, say_hz;
} options = {
    .path = "/", .pids = "", .hello = "", .before = "", .after = "", .readers = 1000, .connect_s = 60, .warmup_s = 2, .window_s = 5,
};

static const char USAGE[] =
    "fan --port N --path PATH [--websocket [--deflate]]\n"
    "  --readers N      connections that follow (1000)\n"
    "  --stalled N      connections besides, that never read\n"
    "  --early N        only so many before the window; the others connect in it\n"
    "  --churn-hz N     so many readers a second go, and others come\n"
    "  --say-hz N       the first member says so many messages a second (WebSocket)\n"
    "  --channels N     each reader follows one of N channels, PATH-0, PATH-1, ... (1: PATH), and\n"
    "                   the first member of each says the messages\n"
    "  --hello TEXT     the first frame of each member (Socket.IO)\n"
    "  --before TEXT    --after TEXT   around each message that is said (Socket.IO)\n"
    "  --deflate        offer the extension permessage-deflate\n"
    "  --connect-s N    give up connecting after so long (60)\n"
    "  --warmup-s N     (2)    --window-s N     what is measured (5)\n"
    "  --pids N,N       of the server, for its CPU time and memory\n";

static void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("fan: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"port", 1, 0, 'p'},     {"path", 1, 0, 'u'},     {"websocket", 0, 0, 'w'},
        {"readers", 1, 0, 'n'},  {"stalled", 1, 0, 's'},  {"early", 1, 0, 'e'},
        {"churn-hz", 1, 0, 'c'}, {"say-hz", 1, 0, 'y'},   {"connect-s", 1, 0, 'k'},
        {"warmup-s", 1, 0, 'm'}, {"window-s", 1, 0, 'd'}, {"pids", 1, 0, 'i'},
        {"deflate", 0, 0, 'z'},  {"channels", 1, 0, 'l'}, {"hello", 1, 0, 'o'},
        {"before", 1, 0, 'b'},   {"after", 1, 0, 'a'},    {0},
    };
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'p': options.port = atoi(optarg); break;
        case 'u': options.path = optarg; break;
        case 'w': options.websocket = true; break;
        case 'n': options.readers = atoi(optarg); break;
        case 's': options.stalled = atoi(optarg); break;
        case 'e': options.early = atoi(optarg); break;
        case 'c': options.churn_hz = atof(optarg); break;
        case 'y': options.say_hz = atof(optarg); break;
        case 'k': options.connect_s = atof(optarg); break;
        case 'm': options.warmup_s = atof(optarg); break;
        case 'd': options.window_s = atof(optarg); break;
        case 'i': options.pids = optarg; break;
        case 'z': options.deflate = true; break;
        case 'l': options.channels = atoi(optarg); break;
        case 'o': options.hello = optarg; break;
        case 'b': options.before = optarg; break;
        case 'a': options.after = optarg; break;
        default: fputs(USAGE, stderr); exit(2);
        }
    }
    if (options.port <= 0 || options.readers <= 0 || options.window_s <= 0) {
        fputs(USAGE, stderr);
        exit(2);
    }
    if (options.deflate && !HAS_ZLIB)
        fail("--deflate needs zlib when this program is compiled (Debian: zlib1g-dev)");
    if (options.early <= 0 || options.early > options.readers)
        options.early = options.readers;
    if (options.channels > options.readers)
        fail("--channels must be at most --readers");
    if (strlen(options.hello) + strlen(options.before) + strlen(options.after) > EXTRA_BYTES)
        fail("--hello, --before and --after must be at most %d characters together", EXTRA_BYTES);
}

/* ------------------------------------------------------------------- clocks and resource use */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static double own_cpu_s(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

struct use {
    double cpu_s, rss_kb;
};

/* CPU time and resident memory of the server's processes. Source: proc_pid_stat(5). */
static struct use server_use(void)
{
    struct use use = {0};
    char pids[256], path[64], line[2048];
    snprintf(pids, sizeof pids, "%s", options.pids);
    for (char *pid = strtok(pids, ","); pid; pid = strtok(NULL, ",")) {
        snprintf(path, sizeof path, "/proc/%s/stat", pid);
        FILE *file = fopen(path, "r");
        if (!file)
            fail("the server's process %s is gone", pid);
        line[fread(line, 1, sizeof line - 1, file)] = 0;
        fclose(file);
        unsigned long user = 0, system = 0;
        long pages = 0;
        char *name_end = strrchr(line, ')'); /* the name may contain spaces and parentheses */
        if (!name_end ||
            sscanf(name_end + 2,
                   "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu"
                   " %*d %*d %*d %*d %*d %*d %*u %*u %ld",
                   &user, &system, &pages) != 3)
            fail("cannot read %s", path);
        use.cpu_s += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
        use.rss_kb += (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
    }
    return use;
}

/* ------------------------------------------------------------------------------------- readers */

struct reader {
    enum { IDLE, CONNECTING, IN_HEAD, READING, STALLED, CLOSED } state;
    int fd;
    int head_matched; /* matched characters of "\r\n\r\n" */
    int tail_length;  /* end of the last read; may hold the start of a stamp */
    char tail[TAIL_BYTES];
    bool heard;       /* an event was received */
    uint64_t next_seq, lost, doubled;
    uint64_t events;  /* in the window */
    uint64_t heard_ns, silence_ns;
    struct frames *frames; /* with --deflate */
};

static struct reader *readers;
static int reader_count, epoll_fd, opened, in_flight, following;
static bool measuring;

static struct {
    uint64_t events, lost, doubled, silence_ns;
    int missing, closed, churned;
} seen;

static uint32_t latencies[LATENCY_STEPS];

static void watch(int index, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.u32 = (uint32_t)index};
    if (epoll_ctl(epoll_fd, operation, readers[index].fd, &event))
        fail("epoll_ctl: %s", strerror(errno));
}

static void begin_connect(int index)
{
    struct reader *reader = &readers[index];
    bool stalls = index >= options.readers;
    int on = 1, receive_bytes = STALLED_RECEIVE_BYTES;
    struct sockaddr_in server = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)options.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    *reader = (struct reader){.state = CONNECTING};
    reader->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (reader->fd < 0)
        fail("socket: %s", strerror(errno));
    setsockopt(reader->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (stalls)
        setsockopt(reader->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    if (connect(reader->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    watch(index, EPOLLOUT, EPOLL_CTL_ADD);
    in_flight++;
}

static void send_request(int index)
{
    static const char upgrade[] = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                  "Sec-WebSocket-Version: 13\r\n";
    static const char deflate[] = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    char request[1024], channel[16] = "";
    int fd = readers[index].fd, error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error)
        fail("connect: %s", strerror(error));
    if (options.channels > 1)
        snprintf(channel, sizeof channel, "-%d", index % options.channels);
    int length = snprintf(request, sizeof request,
                          "GET %s%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s\r\n",
                          options.path, channel, options.port,
                          options.websocket ? upgrade : "Accept: text/event-stream\r\n",
                          options.deflate ? deflate : "");
    if (write(fd, request, (size_t)length) != length)
        fail("cannot send the request: %s", strerror(errno));
    readers[index].state = IN_HEAD;
    watch(index, EPOLLIN, EPOLL_CTL_MOD);
}

/* Send a text frame, masked with zeros; false if the socket buffer is full. */
static bool send_text(int fd, const char *text, size_t size)
{
    unsigned char frame[MESSAGE_BYTES + EXTRA_BYTES + 8] = {0x81};
    size_t head = size < 126 ? 6 : 8;
    frame[1] = (unsigned char)(0x80 | (size < 126 ? size : 126));
    if (size >= 126) {
        frame[2] = (unsigned char)(size >> 8);
        frame[3] = (unsigned char)(size & 255);
    }
    memcpy(frame + head, text, size);
    ssize_t sent = write(fd, frame, head + size);
    if (sent < 0 && errno == EAGAIN)
        return false;
    if (sent != (ssize_t)(head + size))
        fail("the member cannot speak: %s", sent < 0 ? strerror(errno) : "short write");
    return true;
}

/* Read the head of the response; return the number of bytes that belong to it. */
static int read_head(int index, const char *bytes, int length)
{
    static const char end[] = "\r\n\r\n";
    const char *expected = options.websocket ? "HTTP/1.1 101" : "HTTP/1.1 200";
    struct reader *reader = &readers[index];
    if (length >= 12 && !memcmp(bytes, "HTTP/1.1 ", 9) && memcmp(bytes, expected, 12))
        fail("the server answers: %.*s", length < 500 ? length : 500, bytes);
    for (int i = 0; i < length; i++) {
        if (bytes[i] == end[reader->head_matched])
            reader->head_matched++;
        else
            reader->head_matched = bytes[i] == '\r';
        if (reader->head_matched == 4) {
            in_flight--;
            if (*options.hello)
                send_text(reader->fd, options.hello, strlen(options.hello));
            if (index < options.readers) {
                reader->state = READING;
                reader->heard_ns = now_ns();
                following++;
            } else {
                reader->state = STALLED;
                epoll_ctl(epoll_fd, EPOLL_CTL_DEL, reader->fd, NULL);
            }
            return i + 1;
        }
    }
    return length;
}

static void count_event(struct reader *reader, uint64_t due_ns, uint64_t seq, uint64_t now)
{
    if (reader->heard && seq > reader->next_seq)
        reader->lost += seq - reader->next_seq;
    if (reader->heard && seq < reader->next_seq)
        reader->doubled++;
    else
        reader->next_seq = seq + 1;
    reader->heard = true;
    if (!measuring)
        return;
    reader->events++;
    uint64_t step = now > due_ns ? (now - due_ns) / LATENCY_STEP_NS : 0;
    latencies[step < LATENCY_STEPS ? step : LATENCY_STEPS - 1]++;
}

/* Read `key` and the number after it at *at; false if the bytes end within them. */
static bool read_number(const char **at, const char *end, const char *key, uint64_t *number)
{
    const char *p = *at;
    for (; *key; key++) {
        while (p < end && *p == ' ' && *key != ' ')
            p++;
        if (p >= end)
            return false;
        if (*p++ != *key)
            fail("a stamp is not of the form \"mono_ns\":N,\"seq\":N");
    }
    while (p < end && *p == ' ')
        p++;
    for (*number = 0; p < end && *p >= '0' && *p <= '9'; p++)
        *number = *number * 10 + (uint64_t)(*p - '0');
    *at = p;
    return p < end;
}

/* Count the events in `bytes`, which is preceded by TAIL_BYTES of free space. */
static void read_events(struct reader *reader, char *bytes, int length)
{
    static const char key[] = "\"mono_ns\"";
    const int key_length = sizeof key - 1;
    uint64_t now = now_ns(), due_ns, seq;
    const char *end = bytes + length, *at = bytes - reader->tail_length, *keep;
    bool any = false;
    memcpy(bytes - reader->tail_length, reader->tail, (size_t)reader->tail_length);
    for (;;) {
        const char *stamp = memmem(at, (size_t)(end - at), key, (size_t)key_length);
        if (!stamp) {
            keep = end - at < key_length ? at : end - key_length + 1;
            break;
        }
        const char *rest = stamp + key_length;
        if (!read_number(&rest, end, ":", &due_ns) || !read_number(&rest, end, ",\"seq\":", &seq)) {
            keep = stamp;
            break;
        }
        count_event(reader, due_ns, seq, now);
        any = true;
        at = rest;
    }
    reader->tail_length = (int)(end - keep);
    if (reader->tail_length > TAIL_BYTES)
        fail("a stamp is longer than %d bytes", TAIL_BYTES);
    memcpy(reader->tail, keep, (size_t)reader->tail_length);
    if (any) {
        if (measuring && now - reader->heard_ns > reader->silence_ns)
            reader->silence_ns = now - reader->heard_ns;
        reader->heard_ns = now;
    }
}

#if HAS_ZLIB

/* The frames of one WebSocket: a part of the next one, and the state of the extension. */
struct frames {
    unsigned char part[4 * READ_BYTES / 256];
    size_t length;
    z_stream inflater;
};

/* Count the events in a text frame. RSV1 marks a compressed one (RFC 7692, 7.2.2). */
static void read_frame(struct reader *reader, unsigned char first, unsigned char *data, size_t size)
{
    static char buffer[TAIL_BYTES + READ_BYTES];
    static unsigned char end[] = {0, 0, 0xff, 0xff};
    char *text = buffer + TAIL_BYTES;
    if ((first & 0x0f) != 1)
        return;
    if (!(first & 0x40)) {
        memcpy(text, data, size);
        read_events(reader, text, (int)size);
        return;
    }
    z_stream *inflater = &reader->frames->inflater;
    inflater->next_out = (unsigned char *)text;
    inflater->avail_out = READ_BYTES;
    struct { unsigned char *data; size_t size; } parts[] = {{data, size}, {end, sizeof end}};
    for (int i = 0; i < 2; i++) {
        inflater->next_in = parts[i].data;
        inflater->avail_in = (unsigned)parts[i].size;
        int result = inflate(inflater, Z_SYNC_FLUSH);
        if (result != Z_OK && result != Z_BUF_ERROR)
            fail("a frame cannot be inflated: %d", result);
    }
    read_events(reader, text, READ_BYTES - (int)inflater->avail_out);
}

/* Take complete frames out of the bytes of a WebSocket, and keep the rest. */
static void read_frames(struct reader *reader, const char *bytes, size_t length)
{
    struct frames *frames = reader->frames;
    if (!frames) {
        frames = reader->frames = calloc(1, sizeof *frames);
        if (!frames || inflateInit2(&frames->inflater, -15) != Z_OK)
            fail("no memory");
    }
    while (length) {
        size_t taken = sizeof frames->part - frames->length;
        taken = taken < length ? taken : length;
        memcpy(frames->part + frames->length, bytes, taken);
        frames->length += taken;
        bytes += taken;
        length -= taken;
        size_t at = 0;
        for (;;) {
            unsigned char *frame = frames->part + at;
            size_t left = frames->length - at, head = 2, size = left < 2 ? 0 : frame[1];
            if (size == 126) {
                head = 4;
                size = left < 4 ? 0 : (size_t)(frame[2] << 8 | frame[3]);
            }
            if (left < head || left < head + size)
                break;
            read_frame(reader, frame[0], frame + head, size);
            at += head + size;
        }
        if (at == 0 && frames->length == sizeof frames->part)
            fail("a frame is longer than %zu bytes", sizeof frames->part);
        frames->length -= at;
        memmove(frames->part, frames->part + at, frames->length);
    }
}

#else

static void read_frames(struct reader *reader, const char *bytes, size_t length)
{
    (void)reader, (void)bytes, (void)length;
}

#endif

/* Add the counters of a reader to the totals, when it is replaced or at the end. */
static void settle(struct reader *reader)
{
    seen.events += reader->events;
    seen.lost += reader->lost;
    seen.doubled += reader->doubled;
    seen.missing += reader->lost > 0;
    if (reader->silence_ns > seen.silence_ns)
        seen.silence_ns = reader->silence_ns;
}

static void read_from(int index)
{
    static char buffer[TAIL_BYTES + READ_BYTES];
    struct reader *reader = &readers[index];
    char *bytes = buffer + TAIL_BYTES;
    ssize_t got = read(reader->fd, bytes, READ_BYTES);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) { /* the server closed the connection */
        if (reader->state == IN_HEAD)
            fail("the server closed a connection before it answered");
        close(reader->fd);
        reader->state = CLOSED;
        seen.closed++;
        following--;
        return;
    }
    int head = reader->state == IN_HEAD ? read_head(index, bytes, (int)got) : 0;
    if (reader->state == READING && got > head) {
        if (options.deflate) {
            read_frames(reader, bytes + head, (size_t)(got - head));
            return;
        }
        memmove(bytes, bytes + head, (size_t)(got - head));
        read_events(reader, bytes, (int)got - head);
    }
}

/* -------------------------------------------------------------------------------------- the run */

static void open_more(int target)
{
    while (opened < target && in_flight < IN_FLIGHT)
        begin_connect(opened++);
}

static void poll_once(void)
{
    static struct epoll_event events[1024];
    int count = epoll_wait(epoll_fd, events, 1024, 1); /* 1 ms: the resolution of the timers */
    for (int i = 0; i < count; i++) {
        int index = (int)events[i].data.u32;
        if (readers[index].state == CONNECTING)
            send_request(index);
        else
            read_from(index);
    }
}

/* Replace one reader by a new connection. */
static void churn(void)
{
    struct reader *reader = &readers[seen.churned++ % options.readers];
    if (reader->state != READING)
        return;
    settle(reader);
    close(reader->fd);
    following--;
    begin_connect((int)(reader - readers));
}

/* Send a message from the first member of each channel; false if a socket buffer is full. */
static bool say(uint64_t due_ns, uint64_t seq)
{
    char text[MESSAGE_BYTES + EXTRA_BYTES + 1];
    int before = (int)strlen(options.before), after = (int)strlen(options.after);
    memcpy(text, options.before, (size_t)before);
    char *message = text + before;
    int head = snprintf(message, MESSAGE_BYTES + 1,
                        "{\"mono_ns\":%" PRIu64 ",\"seq\":%" PRIu64 ",\"pad\":\"", due_ns, seq);
    memset(message + head, 'x', (size_t)(MESSAGE_BYTES - head - 2));
    memcpy(message + MESSAGE_BYTES - 2, "\"}", 2);
    memcpy(message + MESSAGE_BYTES, options.after, (size_t)after);
    size_t size = (size_t)(before + MESSAGE_BYTES + after);
    bool sent = true;
    for (int i = 0; i == 0 || i < options.channels; i++)
        sent = send_text(readers[i].fd, text, size) && sent;
    return sent || options.channels > 1;
}

/* A repeated action: when it started, its count and its rate. */
struct pace {
    uint64_t start_ns, count;
    double hz;
};

static uint64_t due_ns(const struct pace *pace)
{
    return pace->start_ns + (uint64_t)((double)pace->count / pace->hz * 1e9);
}

static void keep_pace(struct pace *churning, struct pace *saying, uint64_t now)
{
    for (; churning->hz > 0 && due_ns(churning) <= now; churning->count++)
        churn();
    for (; saying->hz > 0 && due_ns(saying) <= now; saying->count++)
        if (!say(due_ns(saying), saying->count))
            break;
}

static double percentile_ms(double share)
{
    uint64_t total = 0, below = 0;
    for (int i = 0; i < LATENCY_STEPS; i++)
        total += latencies[i];
    for (int i = 0; total && i < LATENCY_STEPS; i++)
        if ((below += latencies[i]) >= share * (double)total)
            return (i + 0.5) * LATENCY_STEP_NS / 1e6;
    return 0;
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    reader_count = options.readers + options.stalled;
    readers = calloc((size_t)reader_count, sizeof *readers);
    epoll_fd = epoll_create1(0);
    if (!readers || epoll_fd < 0)
        fail("no memory");

    /* Connect one reader first: code that the server then loads is not memory per connection. */
    uint64_t start = now_ns(), limit = start + (uint64_t)(options.connect_s * 1e9);
    for (open_more(1); following < 1 && now_ns() < limit;)
        poll_once();
    struct use before = server_use();

    /* The order of the connections is: early, late, stalled. */
    bool all_early = options.early == options.readers;
    int first = all_early ? reader_count : options.early;
    while ((opened < first || in_flight) && now_ns() < limit) {
        open_more(first);
        poll_once();
    }
    int connected = following;
    double connect_s = (double)(now_ns() - start) / 1e9;

    uint64_t warm = now_ns();
    struct pace churning = {.start_ns = warm, .hz = options.churn_hz};
    struct pace saying = {.start_ns = warm, .hz = options.say_hz};
    for (uint64_t now; (now = now_ns()) < warm + (uint64_t)(options.warmup_s * 1e9);) {
        keep_pace(&churning, &saying, now);
        poll_once();
    }

    measuring = true;
    struct use begin = server_use();
    double own_begin_s = own_cpu_s(), joined_s = 0;
    uint64_t window = now_ns(), window_end = window + (uint64_t)(options.window_s * 1e9), now;
    for (int i = 0; i < opened; i++)
        readers[i].heard_ns = window;
    limit = window + (uint64_t)(options.connect_s * 1e9);
    while ((now = now_ns()) < window_end || (!all_early && joined_s == 0 && now < limit)) {
        keep_pace(&churning, &saying, now);
        if (!all_early && joined_s == 0) {
            open_more(reader_count);
            if (opened == reader_count && in_flight == 0)
                joined_s = (double)(now - window) / 1e9;
        }
        poll_once();
    }
    double window_s = (double)(now - window) / 1e9;
    struct use end = server_use();
    double own_s = own_cpu_s() - own_begin_s;

    uint64_t early_silence_ns = 0;
    int silent = 0;
    for (int i = 0; i < options.readers; i++) {
        struct reader *reader = &readers[i];
        if (reader->state == READING && now - reader->heard_ns > reader->silence_ns)
            reader->silence_ns = now - reader->heard_ns;
        if (i < options.early && reader->silence_ns > early_silence_ns)
            early_silence_ns = reader->silence_ns;
        silent += reader->state == READING && reader->events == 0;
        settle(reader);
    }
    int late = following - connected;
    printf("{\"connected\":%d,\"connect_s\":%.3f,\"window_s\":%.3f,\"events\":%" PRIu64
           ",\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f",
           connected, connect_s, window_s, seen.events, percentile_ms(0.5), percentile_ms(0.99),
           percentile_ms(1));
    printf(",\"lost\":%" PRIu64 ",\"doubled\":%" PRIu64
           ",\"missing\":%d,\"silent\":%d,\"closed\":%d,\"churned\":%d",
           seen.lost, seen.doubled, seen.missing, silent, seen.closed, seen.churned);
    printf(",\"silence_ms\":%.2f,\"joined_s\":%.3f,\"late\":%d", (double)early_silence_ns / 1e6,
           joined_s, late);
    printf(",\"cpu_s\":%.3f,\"load_cpu_s\":%.3f,\"rss_before_kb\":%.0f,\"rss_begin_kb\":%.0f"
           ",\"rss_end_kb\":%.0f}\n",
           end.cpu_s - begin.cpu_s, own_s, before.rss_kb, begin.rss_kb, end.rss_kb);
    return 0;
}
