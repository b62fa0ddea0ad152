/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NET_STREAM_H
#define NET_STREAM_H
/*
 * A connection as bytes in two directions. What carries them is a row of operations
 * (struct stream_ops): stream_plain is a socket as it is. Nothing above this header
 * touches a descriptor.
 *
 *   session, relay, output, reader
 *        │ read, write, want, shutdown      ▲ ready(events, error)
 *   stream.h ── one row for each kind ──────┘
 *        │
 *   event/loop.h (or stream_wait() in a process without a loop)
 *
 * The owner asks with stream_want() for what it wants to do: read, write, or to be told
 * that the peer has hung up. The kind translates that into what its descriptor must be
 * able to do for that (`wants`), and bytes that are decoded but not yet read (`pending`)
 * count as readable. So both are level-triggered: while it is wanted and can be done, the
 * owner is called again in each turn of the loop. ready() is a hint: the owner must take
 * -EAGAIN for an answer.
 *
 * How TLS fits in (tls/stream_tls.h: a row of its own over a plain stream):
 *   - read() and write() drive the handshake until it is over and answer -EAGAIN so long.
 *     connected() is -EINPROGRESS until then, and the owner is not called (is_opening).
 *   - wants() says what OpenSSL waits for: SSL_ERROR_WANT_WRITE inside a read() makes a
 *     wanted UV_READABLE wait for UV_WRITABLE of the socket, and the other way round.
 *   - The private key is in another process. While that one signs, wants() answers 0, so
 *     that nothing is called; its answer calls stream_wake(), and the handshake goes on.
 *     Neither the loop nor the owner waits.
 *   - pending(): one record holds up to 16 KiB, and its rest lies with OpenSSL, not in
 *     the socket.
 *   - shutdown(SHUT_WR) sends close_notify, and keeps it back when the socket is full.
 *   - splice and sendfile are NULL, and share() refuses; stream_ktls, where the kernel
 *     does the TLS, has them again.
 * COMPRESS (inflated data) will be a row like TLS: both are over another stream
 * (stream_init_over()), so that a test can put them over a stream that stutters.
 */
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct stream;
struct watch;

/* events: of those that are wanted (UV_READABLE, UV_WRITABLE, UV_DISCONNECT: the peer has
   ended its side). error: -errno: the connection is broken, and nothing is wanted any
   more; read() gives what came before. The stream may be freed inside. */
typedef void stream_ready_fn(void *context, int events, int error);

struct stream_ops {
	const char *kind;
	/* Number of bytes, 0 at the end (read only), -EAGAIN: want it and wait, or the
	   -errno that broke the connection. EINTR is retried inside. */
	ssize_t (*read)(struct stream *s, void *space, size_t size);
	/* more: other bytes follow at once; a packet may wait for them. */
	ssize_t (*write)(struct stream *s, struct str bytes, bool more);
	/* After write() with `more`, the end of shutdown() or free() goes out in one
	   packet with those bytes. */
	bool joins_end;
	/* Several one behind the other, in one call. NULL: it cannot. -EFAULT: the file
	   that a part is mapped from is shorter than that. */
	ssize_t (*writev)(struct stream *s, const struct str *parts, size_t n);

	/* NULL: it cannot. To and from a pipe: only bytes of the peer, nothing pending.
	   -EINVAL: it cannot after all; read and write then. */
	ssize_t (*splice_in)(struct stream *s, int pipe, size_t max);
	ssize_t (*splice_out)(struct stream *s, int pipe, size_t len);
	ssize_t (*sendfile)(struct stream *s, int file, off_t offset, size_t len);

	/* read() has bytes without asking the descriptor. NULL: never. */
	bool (*pending)(const struct stream *s);
	/* read() and write() have nothing but -EAGAIN yet, whatever the descriptor can
	   do: the owner is not called for it. NULL: never. */
	bool (*is_opening)(const struct stream *s);
	/* Bytes that write() took have not gone yet, and it would say -EAGAIN. NULL:
	   never. */
	bool (*holds_back)(const struct stream *s);
	/* What the descriptor must be able to do for `wanted`. NULL: the same. */
	int (*wants)(const struct stream *s, int wanted);
	/* The descriptor can do something, or is broken; the owner is called next. For
	   what a kind does by itself: a handshake, bytes that wait to be written. NULL:
	   nothing. */
	void (*advance)(struct stream *s);
	/* 0, -EINPROGRESS, or why it could not be connected. NULL: it always is. */
	int (*connected)(struct stream *s);
	/* how: SHUT_WR: the peer reads the end; SHUT_RDWR: and we take no more. */
	void (*shutdown)(struct stream *s, int how);
	/* A duplicate of the descriptor for another process, which goes on with it; the
	   stream is then only to be freed. -EOPNOTSUPP: this kind cannot be given away.
	   NULL: the same. */
	int (*share)(struct stream *s);
	/* What the kind has allocated, and s. The descriptor is closed, and the stream
	   below freed, by stream_free(). */
	void (*free)(struct stream *s);
};

/* The first member of each kind's own struct. */
struct stream {
	const struct stream_ops *ops;
	int fd;               /* -1: none (in memory) */
	struct watch *watch;  /* NULL: in no loop, or that of the stream below */
	struct stream *below; /* owned; NULL: it has a descriptor of its own */
	bool is_below;        /* another stream is over it */
	int wanted;
	stream_ready_fn *ready;
	void *context;
};

/* stream_plain.c. Takes fd (a connected or connecting socket, O_NONBLOCK) on success;
   loop NULL: for stream_wait(). 0 or -errno. */
int stream_plain_new(struct loop *loop, int fd, struct stream **ret);

/* Of such a one that nothing was written to: these bytes go first, as soon as it is
   connected, and stream_connected() waits for them. At most STREAM_OPENING_MAX; a new
   connection has room for them. */
#define STREAM_OPENING_MAX 128
int stream_plain_open_with(struct stream *s, struct str bytes);

/* Who is called. Before the first stream_want(). */
void stream_set_owner(struct stream *s, stream_ready_fn *ready, void *context);
/* Costs nothing when it is wanted already. s NULL is fine. */
void stream_want(struct stream *s, int events);

/* Bulk that is read or written at once. With what TLS adds to it (four records) still
   less than the 64 KiB that Linux sends at once: what is over would be a small packet of
   its own. */
#define STREAM_BULK 64512

ssize_t stream_read(struct stream *s, void *space, size_t size);
ssize_t stream_write(struct stream *s, struct str bytes, bool more);
/* stream_shutdown() or stream_free() follows: bytes and end are one packet, where the
   kind can. When nothing follows after all, TCP sends them 200 ms later. */
ssize_t stream_write_last(struct stream *s, struct str bytes);
/* At most STREAM_PARTS_MAX parts. -EOPNOTSUPP: write them. */
#define STREAM_PARTS_MAX 64
ssize_t stream_writev(struct stream *s, const struct str *parts, size_t n);
/* One read of at most `max` to the end of b, one write from its front. */
ssize_t stream_read_buf(struct stream *s, struct buf *b, size_t max);
ssize_t stream_write_buf(struct stream *s, struct buf *b);

/* Whether bytes can go from one to the other through a pipe. */
bool stream_can_splice(const struct stream *from, const struct stream *to);
ssize_t stream_splice_in(struct stream *s, int pipe, size_t max);
ssize_t stream_splice_out(struct stream *s, int pipe, size_t len);
/* -EOPNOTSUPP: read the file and write. */
ssize_t stream_sendfile(struct stream *s, int file, off_t offset, size_t len);

bool stream_has_pending(const struct stream *s);
/* There is no room for a write: nothing more should be read for it. */
bool stream_holds_back(const struct stream *s);
int stream_connected(struct stream *s);
void stream_shutdown(struct stream *s, int how);
int stream_share(struct stream *s);
/* SO_MARK: the kernel's rules count and route by it. Without it they count wrongly, which
   is no reason to refuse a client: no error. */
void stream_mark(struct stream *s, uint32_t mark);
void stream_free(struct stream *s); /* closes; NULL is fine */

/* For a kind: something else than its descriptor has made progress possible. */
void stream_wake(struct stream *s);
/* For a kind: puts s into the loop, whose watch owns fd then. 0 or -errno. */
int stream_init(
	struct stream *s, const struct stream_ops *ops, struct loop *loop, int fd);
/* For a kind over another stream, which becomes its own. */
void stream_init_over(
	struct stream *s, const struct stream_ops *ops, struct stream *below);
/* For a kind: `between` was made over the stream below s; s is over it from now on. */
void stream_put_between(struct stream *s, struct stream *between);

#define STREAM_WAIT_MAX 16 /* connections of a process without a loop */
/* In a process without a loop: until one of them can do what it wants, or `ms` have
   passed. ret_events[i]: what streams[i] can do, 0: nothing; its callback is not called.
   0, -ETIMEDOUT or -errno. */
int stream_wait(struct stream *const *streams, size_t n, unsigned ms, int *ret_events);

#endif
