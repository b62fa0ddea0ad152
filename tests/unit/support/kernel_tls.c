/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "support/kernel_tls.h"

#undef NDEBUG /* what is asserted here is part of the tests */
#include <assert.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOL_TLS_ 282
#define SOCKETS 16
#define HEAD 5
#define RECORD 16384
#define TAG 16
#define EXPLICIT 8 /* of the nonce, in TLS 1.2 with GCM */
#define DATA 23

struct way {
	bool is_set, has_explicit;
	unsigned short version;
	const EVP_CIPHER *cipher;
	unsigned char key[32], iv[12];
	uint64_t number, nonce; /* nonce: the explicit part */
};

struct socket {
	ino_t inode; /* 0: free */
	bool has_ulp;
	struct way send, receive;
	unsigned char kept[RECORD + 512]; /* taken for sent */
	size_t n_kept;
	unsigned char raw[RECORD + 512]; /* of a record that has not come whole */
	size_t n_raw;
	unsigned char plain[RECORD + 512]; /* not read yet */
	size_t n_plain, at;
	int type; /* of plain; 0: none */
};

static struct socket sockets[SOCKETS];
static enum kernel_tls_fault fault;
static bool is_blocked, keeps_next;
static unsigned splices;

int __real_setsockopt(int, int, int, const void *, socklen_t);
int __real_getsockopt(int, int, int, void *, socklen_t *);
ssize_t __real_recv(int, void *, size_t, int);
ssize_t __real_send(int, const void *, size_t, int);
ssize_t __real_recvmsg(int, struct msghdr *, int);
ssize_t __real_sendmsg(int, const struct msghdr *, int);
ssize_t __real_splice(int, off_t *, int, off_t *, size_t, unsigned);
ssize_t __real_sendfile(int, int, off_t *, size_t);
int __real_poll(struct pollfd *, nfds_t, int);
int __wrap_setsockopt(int, int, int, const void *, socklen_t);
int __wrap_getsockopt(int, int, int, void *, socklen_t *);
ssize_t __wrap_recv(int, void *, size_t, int);
ssize_t __wrap_send(int, const void *, size_t, int);
ssize_t __wrap_recvmsg(int, struct msghdr *, int);
ssize_t __wrap_sendmsg(int, const struct msghdr *, int);
ssize_t __wrap_splice(int, off_t *, int, off_t *, size_t, unsigned);
ssize_t __wrap_sendfile(int, int, off_t *, size_t);
int __wrap_poll(struct pollfd *, nfds_t, int);

void kernel_tls_set(enum kernel_tls_fault f)
{
	fault = f;
}

void kernel_tls_block(bool blocked)
{
	is_blocked = blocked;
}

void kernel_tls_keep_next(void)
{
	keeps_next = true;
}

unsigned kernel_tls_splices(void)
{
	return splices;
}

void kernel_tls_forget(void)
{
	memset(sockets, 0, sizeof(sockets));
	fault = KERNEL_TLS_WORKS;
	is_blocked = keeps_next = false;
	splices = 0;
}

void kernel_tls_sockets(int fds[2])
{
	int r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);

	assert(r == 0);
}

/* By inode: a duplicate is the same socket. */
static struct socket *find(int fd, bool make)
{
	struct socket *free = NULL;
	struct stat about;

	if (fstat(fd, &about) < 0 || !S_ISSOCK(about.st_mode))
		return NULL;
	for (size_t i = 0; i < SOCKETS; i++) {
		if (sockets[i].inode == about.st_ino)
			return &sockets[i];
		if (!sockets[i].inode && !free)
			free = &sockets[i];
	}
	if (!make)
		return NULL;
	assert(free);
	free->inode = about.st_ino;
	return free;
}

static int fail(int code)
{
	errno = code;
	return -1;
}

/* ---- keys ---- */

static uint64_t number_of(const unsigned char bytes[8])
{
	uint64_t n = 0;

	for (int i = 0; i < 8; i++)
		n = n << 8 | bytes[i];
	return n;
}

static void put_number(unsigned char bytes[8], uint64_t n)
{
	for (int i = 7; i >= 0; i--, n >>= 8)
		bytes[i] = (unsigned char)n;
}

static void set_gcm(struct way *w, const EVP_CIPHER *cipher, const unsigned char *key,
	size_t n_key, const unsigned char *salt, const unsigned char *iv,
	const unsigned char *number)
{
	w->cipher = cipher;
	memcpy(w->key, key, n_key);
	memcpy(w->iv, salt, 4);
	memcpy(w->iv + 4, iv, 8);
	w->number = number_of(number);
	w->nonce = number_of(iv);
	w->has_explicit = w->version == TLS_1_2_VERSION;
}

static int set_key(struct way *w, const void *value, socklen_t len)
{
	const struct tls_crypto_info *info = value;
	const struct tls12_crypto_info_aes_gcm_128 *a = value;
	const struct tls12_crypto_info_aes_gcm_256 *b = value;
	const struct tls12_crypto_info_chacha20_poly1305 *c = value;

	w->version = info->version;
	if (info->cipher_type == TLS_CIPHER_AES_GCM_128 && len == sizeof(*a)) {
		set_gcm(w, EVP_aes_128_gcm(), a->key, 16, a->salt, a->iv, a->rec_seq);
	} else if (info->cipher_type == TLS_CIPHER_AES_GCM_256 && len == sizeof(*b)) {
		set_gcm(w, EVP_aes_256_gcm(), b->key, 32, b->salt, b->iv, b->rec_seq);
	} else if (info->cipher_type == TLS_CIPHER_CHACHA20_POLY1305 &&
		   len == sizeof(*c)) {
		w->cipher = EVP_chacha20_poly1305();
		memcpy(w->key, c->key, 32);
		memcpy(w->iv, c->iv, 12);
		w->number = number_of(c->rec_seq);
	} else {
		return fail(EINVAL);
	}
	w->is_set = true;
	return 0;
}

static int set_ulp(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	if (fault == KERNEL_TLS_NONE)
		return fail(ENOENT);
	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
		return fail(ENOTCONN);
	find(fd, true)->has_ulp = true;
	return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct socket *s = find(fd, false);

	if (level == IPPROTO_TCP && name == TCP_ULP)
		return set_ulp(fd);
	if (level != SOL_TLS_)
		return __real_setsockopt(fd, level, name, value, len);
	assert(s && s->has_ulp);
	if (fault == KERNEL_TLS_NO_KEYS ||
		(fault == KERNEL_TLS_NO_SEND_KEY && name == TLS_TX))
		return fail(ENOENT);
	return set_key(name == TLS_TX ? &s->send : &s->receive, value, len);
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	const struct socket *s = find(fd, false);

	if (level != IPPROTO_TCP || name != TCP_ULP)
		return __real_getsockopt(fd, level, name, value, len);
	if (!s || !s->has_ulp)
		return fail(EOPNOTSUPP);
	assert(*len >= 4);
	memcpy(value, "tls", 4);
	*len = 4;
	return 0;
}

/* ---- records ---- */

static void nonce_of(const struct way *w, unsigned char nonce[12])
{
	memcpy(nonce, w->iv, 12);
	if (w->has_explicit) {
		put_number(nonce + 4, w->nonce);
		return;
	}
	for (int i = 0; i < 8; i++)
		nonce[4 + i] ^= (unsigned char)(w->number >> (56 - 8 * i));
}

/* What is protected beside the bytes; its length. */
static int beside(const struct way *w, int type, size_t plain, size_t whole,
	unsigned char space[13])
{
	size_t len = w->version == TLS_1_3_VERSION ? whole : plain;
	unsigned char *at = space;

	if (w->version != TLS_1_3_VERSION) {
		put_number(space, w->number);
		at += 8;
	}
	*at++ = (unsigned char)type;
	*at++ = 3;
	*at++ = 3;
	*at++ = (unsigned char)(len >> 8);
	*at++ = (unsigned char)len;
	return (int)(at - space);
}

static size_t seal(struct way *w, int type, const unsigned char *bytes, size_t len,
	unsigned char *record)
{
	bool is_13 = w->version == TLS_1_3_VERSION;
	size_t extra = w->has_explicit ? EXPLICIT : 0, inner = len + (is_13 ? 1 : 0);
	size_t whole = extra + inner + TAG;
	unsigned char nonce[12], aad[13], last = (unsigned char)type;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int shown = is_13 ? DATA : type, n, m = 0;
	int n_aad = beside(w, shown, len, whole, aad);

	record[0] = (unsigned char)shown;
	record[1] = record[2] = 3;
	record[3] = (unsigned char)(whole >> 8);
	record[4] = (unsigned char)whole;
	nonce_of(w, nonce);
	if (extra)
		memcpy(record + HEAD, nonce + 4, EXPLICIT);
	assert(EVP_EncryptInit_ex(c, w->cipher, NULL, w->key, nonce) == 1);
	assert(EVP_EncryptUpdate(c, NULL, &n, aad, n_aad) == 1);
	assert(EVP_EncryptUpdate(c, record + HEAD + extra, &n, bytes, (int)len) == 1);
	if (is_13)
		assert(EVP_EncryptUpdate(c, record + HEAD + extra + n, &m, &last, 1) ==
			1);
	assert(EVP_EncryptFinal_ex(c, record + HEAD + extra + n + m, &n) == 1);
	assert(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG,
		       record + HEAD + extra + inner) == 1);
	EVP_CIPHER_CTX_free(c);
	w->number++;
	w->nonce++;
	return HEAD + whole;
}

/* The record in s->raw into s->plain. */
static bool open_record(struct socket *s, size_t whole)
{
	struct way *w = &s->receive;
	size_t extra = w->has_explicit ? EXPLICIT : 0, len = whole - extra - TAG;
	unsigned char *bytes = s->raw + HEAD + extra, nonce[12], aad[13];
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n, ok;

	if (extra)
		w->nonce = number_of(s->raw + HEAD);
	nonce_of(w, nonce);
	ok = EVP_DecryptInit_ex(c, w->cipher, NULL, w->key, nonce) == 1 &&
	     EVP_DecryptUpdate(c, NULL, &n, aad, beside(w, s->raw[0], len, whole, aad)) ==
	             1 &&
	     EVP_DecryptUpdate(c, s->plain, &n, bytes, (int)len) == 1 &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, bytes + len) == 1 &&
	     EVP_DecryptFinal_ex(c, s->plain + len, &n) == 1;
	EVP_CIPHER_CTX_free(c);
	w->number++;
	s->type = s->raw[0];
	s->n_plain = len;
	s->at = s->n_raw = 0;
	if (ok && w->version == TLS_1_3_VERSION)
		s->type = s->plain[--s->n_plain];
	return ok;
}

static void send_kept(int fd, struct socket *s)
{
	if (s->n_kept)
		assert(__real_send(fd, s->kept, s->n_kept, MSG_NOSIGNAL) ==
			(ssize_t)s->n_kept);
	s->n_kept = 0;
}

static ssize_t send_record(
	int fd, struct socket *s, int type, const void *bytes, size_t len)
{
	unsigned char record[RECORD + 512];
	size_t whole;

	if (is_blocked)
		return fail(EAGAIN);
	len = len < RECORD ? len : RECORD;
	whole = seal(&s->send, type, bytes, len, record);
	if (keeps_next) {
		memcpy(s->kept, record, whole);
		s->n_kept = whole;
		keeps_next = false;
		is_blocked = true;
		return (ssize_t)len;
	}
	send_kept(fd, s);
	if (__real_send(fd, record, whole, MSG_NOSIGNAL) != (ssize_t)whole)
		return fail(EPIPE); /* tests leave room for what they write */
	return (ssize_t)len;
}

/* Bytes of a record, 0: the end of TCP, -1. */
static ssize_t more_raw(int fd, struct socket *s, size_t want)
{
	ssize_t n = 1;

	while (s->n_raw < want && n > 0) {
		n = __real_recv(fd, s->raw + s->n_raw, want - s->n_raw, 0);
		s->n_raw += n > 0 ? (size_t)n : 0;
	}
	return s->n_raw < want ? n : 1;
}

/* Until s->plain has something: 1, or 0, or -1. */
static ssize_t next_record(int fd, struct socket *s)
{
	size_t whole;
	ssize_t n;

	if (s->type)
		return 1;
	n = more_raw(fd, s, HEAD);
	if (n <= 0)
		return n;
	whole = (size_t)s->raw[3] << 8 | s->raw[4];
	n = more_raw(fd, s, HEAD + whole);
	if (n <= 0)
		return n;
	return open_record(s, whole) ? 1 : fail(EBADMSG);
}

static ssize_t take(struct socket *s, void *space, size_t size)
{
	size_t n = s->n_plain - s->at;

	n = n < size ? n : size;
	memcpy(space, s->plain + s->at, n);
	s->at += n;
	if (s->at == s->n_plain)
		s->type = 0;
	return (ssize_t)n;
}

/* ---- the calls ---- */

ssize_t __wrap_recv(int fd, void *space, size_t size, int flags)
{
	struct socket *s = find(fd, false);
	ssize_t n;

	if (!s || !s->receive.is_set)
		return __real_recv(fd, space, size, flags);
	n = next_record(fd, s);
	if (n > 0 && s->type != DATA)
		return fail(EIO);
	return n > 0 ? take(s, space, size) : n;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	struct socket *s = find(fd, false);
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	ssize_t n;

	if (!s || !s->receive.is_set)
		return __real_recvmsg(fd, m, flags);
	n = next_record(fd, s);
	if (n <= 0) {
		m->msg_controllen = 0;
		return n;
	}
	assert(c && m->msg_controllen >= CMSG_LEN(1));
	c->cmsg_level = SOL_TLS_;
	c->cmsg_type = TLS_GET_RECORD_TYPE;
	c->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(c) = (unsigned char)s->type;
	return take(s, m->msg_iov[0].iov_base, m->msg_iov[0].iov_len);
}

static ssize_t send_records(int fd, struct socket *s, const char *bytes, size_t len)
{
	size_t sent = 0;
	ssize_t n = 1;

	while (sent < len && n > 0) {
		n = send_record(fd, s, DATA, bytes + sent, len - sent);
		sent += n > 0 ? (size_t)n : 0;
	}
	return sent || !len ? (ssize_t)sent : n;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags)
{
	struct socket *s = find(fd, false);

	return s && s->send.is_set ? send_records(fd, s, bytes, len)
	                           : __real_send(fd, bytes, len, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct socket *s = find(fd, false);
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	if (!s || !s->send.is_set)
		return __real_sendmsg(fd, m, flags);
	assert(c && c->cmsg_level == SOL_TLS_ && c->cmsg_type == TLS_SET_RECORD_TYPE);
	return send_record(
		fd, s, *CMSG_DATA(c), m->msg_iov[0].iov_base, m->msg_iov[0].iov_len);
}

static ssize_t splice_in(int fd, struct socket *s, int pipe)
{
	ssize_t n = next_record(fd, s);

	if (n <= 0)
		return n;
	if (s->type != DATA)
		return fail(EINVAL);
	n = write(pipe, s->plain + s->at, s->n_plain - s->at);
	assert(n == (ssize_t)(s->n_plain - s->at));
	s->type = 0;
	return n;
}

static ssize_t splice_out(int pipe, int fd, struct socket *s, size_t len)
{
	unsigned char space[RECORD];
	ssize_t n;

	if (is_blocked)
		return fail(EAGAIN);
	n = read(pipe, space, len < sizeof(space) ? len : sizeof(space));
	return n > 0 ? send_record(fd, s, DATA, space, (size_t)n) : n;
}

ssize_t __wrap_splice(int from, off_t *in, int to, off_t *out, size_t len, unsigned flags)
{
	struct socket *a = find(from, false), *b = find(to, false);
	ssize_t n;

	if (a && a->receive.is_set)
		n = splice_in(from, a, to);
	else if (b && b->send.is_set)
		n = splice_out(from, to, b, len);
	else
		return __real_splice(from, in, to, out, len, flags);
	splices += n > 0;
	return n;
}

ssize_t __wrap_sendfile(int to, int from, off_t *offset, size_t len)
{
	struct socket *s = find(to, false);
	unsigned char space[RECORD];
	ssize_t n;

	if (!s || !s->send.is_set)
		return __real_sendfile(to, from, offset, len);
	n = pread(from, space, len < sizeof(space) ? len : sizeof(space), *offset);
	if (n > 0)
		n = send_record(to, s, DATA, space, (size_t)n);
	*offset += n > 0 ? n : 0;
	return n;
}

/* Of one socket alone: whether there is room, which lets what is kept go. */
int __wrap_poll(struct pollfd *polls, nfds_t n, int ms)
{
	struct socket *s = n == 1 ? find(polls->fd, false) : NULL;

	if (!s || !s->send.is_set || polls->events != POLLOUT)
		return __real_poll(polls, n, ms);
	if (is_blocked)
		return 0;
	send_kept(polls->fd, s);
	return __real_poll(polls, n, ms);
}
