/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Both ends of TLS, joined by a wire that the input drives: it passes bytes on, spoils
 * them, puts others in, cuts and blocks it, answers for the private key or does not, and
 * lets both sides write, read and end in any order.
 *
 * What one end reads is what the other has written, from the first byte on, whatever
 * happens to the wire; and it reads an end only when the other has said one.
 *
 * The first byte chooses the stream below and the version, and whether the handshake is
 * over before the script begins.
 */
#include "fuzz.h"

#include "support/odd_stream.h"
#include "tls/remote_key.h"
#include "tls/stream_tls.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PIECE 64
#define SPACE 70000 /* more than a batch of records */

struct end {
	struct stream *tls, *below; /* below: gone with tls */
	struct buf heard;           /* what it has sent, and the wire has not passed on */
	size_t written, read;
	bool has_ended; /* it has said so */
};

static struct {
	struct tls_signer signer; /* first */
	EVP_PKEY *key;
	struct tls_library *library;
	SSL_CTX *server, *client;
	struct tls_signature *asked;
} shared;

/* ---- made once ---- */

static int ask(struct tls_signer *signer, struct tls_signature *s)
{
	(void)signer;
	shared.asked = s;
	return 0;
}

static void forget(struct tls_signer *signer, struct tls_signature *s)
{
	(void)signer;
	if (shared.asked != s)
		abort();
	shared.asked = NULL;
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

static X509 *certificate(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	const unsigned char text[] = "mail.example.com";

	must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0) &&
		X509_set_issuer_name(x, name) && X509_set_pubkey(x, key) &&
		X509_gmtime_adj(X509_getm_notBefore(x), 0) &&
		X509_gmtime_adj(X509_getm_notAfter(x), 1000000) &&
		X509_sign(x, key, EVP_sha256()) > 0);
	return x;
}

static void prepare(void)
{
	EVP_PKEY *remote;
	X509 *x;

	if (shared.library)
		return;
	shared.signer = (struct tls_signer){ ask, forget };
	shared.key = EVP_EC_gen("P-256");
	x = certificate(shared.key);
	shared.library = tls_library_new(&shared.signer);
	remote = tls_remote_key_new(shared.library, shared.key, 0);
	shared.server = SSL_CTX_new_ex(
		tls_library_context(shared.library), NULL, TLS_server_method());
	shared.client = SSL_CTX_new(TLS_client_method());
	must(SSL_CTX_use_certificate(shared.server, x) == 1 &&
		SSL_CTX_use_PrivateKey(shared.server, remote) == 1);
	EVP_PKEY_free(remote);
	X509_free(x);
}

static void sign(void)
{
	unsigned char bytes[TLS_SIGNATURE_MAX];
	struct tls_signature *s = shared.asked;
	size_t len;

	if (!s)
		return;
	shared.asked = NULL;
	must(tls_sign(shared.key, s->scheme, str_of(s->digest, s->n_digest), bytes,
		     &len) == 0);
	tls_signature_done(s, 0, str_of(bytes, len));
}

/* ---- one end ---- */

/* What an end says from its i-th byte on, SPACE of them. They are compared as a whole:
   byte by byte it is most of a fuzzer's time. */
static const char *letters_from(size_t i)
{
	static char letters[65536 + SPACE];

	if (!letters[1])
		for (size_t n = 0; n < sizeof(letters); n++)
			letters[n] = (char)(n * 7 + (n >> 8));
	return letters + i % 65536;
}

static void do_write(struct end *e, size_t len)
{
	struct str bytes = str_of(letters_from(e->written), len);
	ssize_t n = e->has_ended ? -EPIPE : stream_write(e->tls, bytes, false);

	must(n <= (ssize_t)len && n != 0);
	e->written += n > 0 ? (size_t)n : 0;
}

static void do_read(struct end *e, const struct end *other, size_t size)
{
	static char space[SPACE];
	ssize_t n = stream_read(e->tls, space, size);

	must(n <= (ssize_t)size);
	must(n <= 0 || memcmp(space, letters_from(e->read), (size_t)n) == 0);
	e->read += n > 0 ? (size_t)n : 0;
	must(e->read <= other->written);
	if (n == 0)
		must(other->has_ended && e->read == other->written);
}

static void do_end(struct end *e)
{
	stream_shutdown(e->tls, SHUT_WR);
	e->has_ended = true;
}

/* ---- the wire ---- */

static void pass(struct end *from, struct end *to, size_t len)
{
	struct str bytes = str_take(buf_view(&from->heard), len);

	odd_say_bytes(to->below, bytes);
	buf_consume(&from->heard, bytes.len);
}

static void spoil(struct end *from, size_t at)
{
	struct str bytes = buf_view(&from->heard);

	if (at < bytes.len)
		*(char *)(uintptr_t)(bytes.ptr + at) ^= 0x40;
}

#define TURNS 20000 /* a byte at a time */

static void shake(struct end *client, struct end *server)
{
	for (int i = 0; i < TURNS; i++) {
		int c = stream_connected(client->tls), s = stream_connected(server->tls);

		if (c == 0 && s == 0)
			return;
		sign();
		pass(client, server, SPACE);
		pass(server, client, SPACE);
	}
	abort();
}

/* ---- the script ---- */

static struct str step(struct end *e, struct end *other, unsigned op, struct str script)
{
	size_t n = script.len ? (unsigned char)script.ptr[0] : 0;
	struct str bytes = str_take(str_skip(script, 1), n % PIECE);

	switch (op) {
	case 0:
		pass(e, other, (n + 1) * (n + 1));
		break;
	case 1:
		do_write(e, n * n + 1);
		break;
	case 2:
		do_read(e, other, n * n + 1);
		break;
	case 3:
		do_end(e);
		break;
	case 4:
		odd_block(e->below, n & 1);
		break;
	case 5:
		spoil(e, n);
		break;
	case 6:
		odd_say_bytes(e->below, bytes);
		return str_skip(script, 1 + bytes.len);
	default:
		if (n > 250)
			odd_break(e->below, -ECONNRESET);
		else if (n > 240)
			odd_end(e->below);
		else
			sign();
	}
	return str_skip(script, 1);
}

static void begin(struct end *e, enum oddity oddity)
{
	*e = (struct end){ .below = odd_memory_new(oddity) };
	buf_init(&e->heard, 0);
	odd_attach(e->below, &e->below, &e->heard);
}

static void finish(struct end *e)
{
	stream_free(e->tls);
	buf_fini(&e->heard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str script = str_skip(str_of(data, size), 1);
	enum oddity oddity = size ? data[0] % ODD_COUNT : ODD_NONE;
	struct end ends[2];

	prepare();
	begin(&ends[0], oddity);
	begin(&ends[1], oddity);
	SSL_CTX_set_max_proto_version(
		shared.client, size && data[0] & 0x40 ? TLS1_2_VERSION : TLS1_3_VERSION);
	must(stream_tls_connect(ends[0].below, shared.client, "mail.example.com",
		     &ends[0].tls) == 0);
	must(stream_tls_accept(ends[1].below, shared.server, STR_LIT(""), &ends[1].tls) ==
		0);
	if (size && data[0] & 0x80)
		shake(&ends[0], &ends[1]);
	while (script.len) {
		unsigned op = (unsigned char)script.ptr[0];
		struct end *e = &ends[op >> 3 & 1];

		script = step(e, &ends[!(op >> 3 & 1)], op & 7, str_skip(script, 1));
	}
	finish(&ends[0]);
	finish(&ends[1]);
	must(!shared.asked);
	return 0;
}
