/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A rule in nft's own words.
 *
 * Expressions load something into a register and then use it; nft's language names what
 * was loaded at the place of its use. So loads are collected ("socket mark . tcp dport")
 * until the expression that uses them prints them. Whatever has no name in the tables
 * below is printed by its numbers: such a rule is not ours, and must not look like it.
 */
#include "nft-rules/plan.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOADS_MAX 128 /* two or three names and " . " */
#define VALUE_MAX 64  /* 16 bytes in hexadecimal */

enum value_form {
	FORM_BYTES,
	FORM_ADDRESS,
	FORM_FAMILY,
	FORM_PROTOCOL,
	FORM_PORT,
	FORM_MARK,
	FORM_FLAG
};

struct writer {
	char *text; /* [PLAN_TEXT_MAX] */
	size_t len;
	char loads[LOADS_MAX]; /* loaded, not used yet */
	uint32_t first;        /* register of the first load */
	enum value_form form;  /* of the last load */
	const struct op *immediate;
};

static const struct name {
	enum op_kind kind;
	uint32_t v[3];
	const char *text;
	enum value_form form;
} names[] = {
	{ OP_META_LOAD, { NFT_META_NFPROTO }, "meta nfproto", FORM_FAMILY },
	{ OP_META_LOAD, { NFT_META_L4PROTO }, "meta l4proto", FORM_PROTOCOL },
	{ OP_META_LOAD, { NFT_META_MARK }, "meta mark", FORM_MARK },
	{ OP_CT_LOAD, { NFT_CT_MARK }, "ct mark", FORM_MARK },
	{ OP_SOCKET, { NFT_SOCKET_MARK }, "socket mark", FORM_MARK },
	{ OP_SOCKET, { NFT_SOCKET_TRANSPARENT }, "socket transparent", FORM_FLAG },
	{ OP_SOCKET, { NFT_SOCKET_WILDCARD }, "socket wildcard", FORM_FLAG },
	{ OP_PAYLOAD, { NFT_PAYLOAD_NETWORK_HEADER, 12, 4 }, "ip saddr", FORM_ADDRESS },
	{ OP_PAYLOAD, { NFT_PAYLOAD_NETWORK_HEADER, 16, 4 }, "ip daddr", FORM_ADDRESS },
	{ OP_PAYLOAD, { NFT_PAYLOAD_NETWORK_HEADER, 8, 16 }, "ip6 saddr", FORM_ADDRESS },
	{ OP_PAYLOAD, { NFT_PAYLOAD_NETWORK_HEADER, 24, 16 }, "ip6 daddr", FORM_ADDRESS },
	{ OP_PAYLOAD, { NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2 }, "tcp sport", FORM_PORT },
	{ OP_PAYLOAD, { NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2 }, "tcp dport", FORM_PORT },
	{ OP_PAYLOAD, { NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1 }, "tcp flags", FORM_BYTES },
};

static void add(struct writer *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* One more word; what does not fit is cut. */
static void add(struct writer *w, const char *format, ...)
{
	size_t space = PLAN_TEXT_MAX - w->len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(w->text + w->len, space, format, args);
	va_end(args);
	if (len > 0)
		w->len += (size_t)len < space ? (size_t)len : space - 1;
}

static void separate(struct writer *w)
{
	if (w->len)
		add(w, " ");
}

static const struct name *find_name(enum op_kind kind, const uint32_t v[static 3])
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].kind == kind && !memcmp(names[i].v, v, sizeof(names[i].v)))
			return &names[i];
	return NULL;
}

/* ---- what is loaded ---- */

static void load(
	struct writer *w, enum op_kind kind, const uint32_t v[static 3], uint32_t reg)
{
	const struct name *name = find_name(kind, v);
	const char *prefix = kind == OP_SOCKET    ? "socket"
	                     : kind == OP_CT_LOAD ? "ct"
	                                          : "meta";
	size_t len = strlen(w->loads);
	char text[VALUE_MAX];

	if (name)
		(void)snprintf(text, sizeof(text), "%s", name->text);
	else if (kind == OP_PAYLOAD)
		(void)snprintf(text, sizeof(text), "@%u,%u,%u", v[0], v[1] * 8, v[2] * 8);
	else
		(void)snprintf(text, sizeof(text), "%s #%u", prefix, v[0]);
	if (!len)
		w->first = reg;
	(void)snprintf(
		w->loads + len, sizeof(w->loads) - len, "%s%s", len ? " . " : "", text);
	w->form = name ? name->form : FORM_BYTES;
}

/* Prints what was loaded; says so when the rule uses another register than it loaded. */
static void use(struct writer *w, uint32_t reg)
{
	add(w, "%s", w->loads[0] ? w->loads : "(nothing)");
	if (reg != w->first)
		add(w, " (register %u)", reg);
	w->loads[0] = '\0';
}

/* ---- values ---- */

static void value_bytes(const struct op *o, char text[static VALUE_MAX])
{
	size_t len = (size_t)snprintf(text, VALUE_MAX, "0x");

	for (uint32_t i = 0; i < o->data_len && i < sizeof(o->data); i++)
		len += (size_t)snprintf(text + len, VALUE_MAX - len, "%02x", o->data[i]);
}

static bool value_address(
	const unsigned char *bytes, uint32_t len, char text[static VALUE_MAX])
{
	return (len == 4 || len == 16) &&
	       inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, text, VALUE_MAX);
}

static void value_port(const struct op *o, char text[static VALUE_MAX])
{
	uint16_t port;

	memcpy(&port, o->data, sizeof(port));
	(void)snprintf(text, VALUE_MAX, "%u", ntohs(port));
}

static void value_mark(const struct op *o, char text[static VALUE_MAX])
{
	uint32_t mark;

	memcpy(&mark, o->data, sizeof(mark)); /* marks are host-endian */
	(void)snprintf(text, VALUE_MAX, "0x%08x", mark);
}

static const char *known_u8(enum value_form form, unsigned char value)
{
	static const struct {
		enum value_form form;
		unsigned char value;
		const char *text;
	} known[] = {
		{ FORM_FAMILY, NFPROTO_IPV4, "ipv4" },
		{ FORM_FAMILY, NFPROTO_IPV6, "ipv6" },
		{ FORM_PROTOCOL, IPPROTO_TCP, "tcp" },
		{ FORM_PROTOCOL, IPPROTO_UDP, "udp" },
		{ FORM_FLAG, 0, "0" },
		{ FORM_FLAG, 1, "1" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].form == form && known[i].value == value)
			return known[i].text;
	return NULL;
}

static void value(const struct op *o, enum value_form form, char text[static VALUE_MAX])
{
	const char *word = o->data_len == 1 ? known_u8(form, o->data[0]) : NULL;

	if (word)
		(void)snprintf(text, VALUE_MAX, "%s", word);
	else if (form == FORM_PORT && o->data_len == 2)
		value_port(o, text);
	else if (form == FORM_MARK && o->data_len == 4)
		value_mark(o, text);
	else if (form != FORM_ADDRESS || !value_address(o->data, o->data_len, text))
		value_bytes(o, text);
}

/* ---- expressions that use what was loaded ---- */

static void write_compare(struct writer *w, const struct op *o)
{
	static const char *const operators[] = { "", "!= ", "< ", "<= ", "> ", ">= " };
	enum value_form form = w->form;
	bool is_masked = strchr(w->loads, '&');
	char text[VALUE_MAX];

	value(o, form, text);
	use(w, o->v[0]);
	add(w, " %s%s",
		o->v[1] == NFT_CMP_EQ && is_masked                   ? "== "
		: o->v[1] < sizeof(operators) / sizeof(operators[0]) ? operators[o->v[1]]
								     : "? ",
		text);
}

static void write_lookup(struct writer *w, const struct op *o)
{
	use(w, o->v[0]);
	add(w, " @%s", o->name);
}

static void write_counter_map(struct writer *w, const struct op *o)
{
	add(w, "counter name ");
	use(w, o->v[0]);
	add(w, " map @%s", o->name);
}

static void write_counter(struct writer *w, const struct op *o)
{
	if (o->v[0] == NFT_OBJECT_COUNTER)
		add(w, "counter name \"%s\"", o->name);
	else
		add(w, "object #%u name \"%s\"", o->v[0], o->name);
}

static void write_immediate_use(
	struct writer *w, uint32_t reg, enum value_form form, const char *before)
{
	char text[VALUE_MAX] = "(nothing)";

	if (w->immediate && w->immediate->v[0] == reg)
		value(w->immediate, form, text);
	add(w, "%s%s", before, text);
}

/* A number, or what was loaded and changed: "meta mark set meta mark & … | …". */
static void write_set(struct writer *w, const struct op *o)
{
	bool is_ct = o->kind == OP_CT_SET;
	const struct name *name = find_name(
		is_ct ? OP_CT_LOAD : OP_META_LOAD, (uint32_t[3]){ o->v[0], 0, 0 });

	if (name)
		add(w, "%s set ", name->text);
	else
		add(w, "%s #%u set ", is_ct ? "ct" : "meta", o->v[0]);
	if (w->loads[0])
		use(w, o->v[1]);
	else
		write_immediate_use(w, o->v[1], name ? name->form : FORM_BYTES, "");
}

static bool is_empty(const unsigned char *bytes, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

/* A network: the address's first bits. */
static bool mask_address(struct writer *w, const struct op *o)
{
	size_t len = strlen(w->loads);
	char mask[VALUE_MAX];

	if (w->form != FORM_ADDRESS || o->v[0] != w->first || o->v[1] != w->first ||
		!is_empty(o->more, o->more_len) ||
		!value_address(o->data, o->data_len, mask))
		return false;
	(void)snprintf(w->loads + len, sizeof(w->loads) - len, " & %s", mask);
	return true;
}

/* Marks only: (mark & mask) ^ xor, and with no bit in both, ^ is |. */
static void change_mark(struct writer *w, const struct op *o)
{
	size_t len = strlen(w->loads);
	uint32_t mask = 0, xor = 0;
	bool is_mark = w->form == FORM_MARK && o->data_len == 4 && o->more_len == 4;

	memcpy(&mask, o->data, sizeof(mask));
	memcpy(&xor, o->more, sizeof(xor));
	if (!is_mark || (mask & xor) || o->v[0] != w->first || o->v[1] != w->first)
		(void)snprintf(w->loads + len, sizeof(w->loads) - len, " [bitwise]");
	else if (xor)
		(void)snprintf(w->loads + len, sizeof(w->loads) - len,
			" & 0x%08x | 0x%08x", mask, xor);
	else
		(void)snprintf(w->loads + len, sizeof(w->loads) - len, " & 0x%08x", mask);
}

static void change_load(struct writer *w, const struct op *o)
{
	if (!mask_address(w, o))
		change_mark(w, o);
}

static void write_update(struct writer *w, const struct op *o)
{
	add(w, "update @%s { ", o->name);
	use(w, o->v[0]);
	if (o->v[2] % 1000)
		add(w, " timeout %ums", o->v[2]);
	else if (o->v[2])
		add(w, " timeout %us", o->v[2] / 1000);
	if (o->v[3])
		add(w, " limit rate %llu/minute burst %u packets",
			30 * (unsigned long long)o->v[3], o->v[3]);
	add(w, " }");
}

static void write_queues(
	struct writer *w, uint32_t first, uint32_t n, bool bypass, bool fanout)
{
	add(w, "queue");
	if (bypass || fanout)
		add(w, " flags %s%s%s", bypass ? "bypass" : "",
			bypass && fanout ? "," : "", fanout ? "fanout" : "");
	add(w, " to %u", first);
	if (n > 1)
		add(w, "-%u", first + n - 1);
}

static void write_queue(struct writer *w, const struct op *o)
{
	write_queues(w, o->v[0], o->v[1], o->v[2] & NFT_QUEUE_FLAG_BYPASS,
		o->v[2] & NFT_QUEUE_FLAG_CPU_FANOUT);
}

/* nft has no word for it; what it does is said in nft's words, how in a comment. */
static void write_target(struct writer *w, const struct op *o)
{
	struct xt_NFQ_info_v3 info = { 0 };

	if (strcmp(o->name, PLAN_QUEUE_TARGET) != 0 || o->v[0] != 3 ||
		o->data_len < sizeof(info)) {
		add(w, "[target %s revision %u]", o->name, o->v[0]);
		return;
	}
	memcpy(&info, o->data, sizeof(info));
	write_queues(w, info.queuenum, info.queues_total, info.flags & NFQ_FLAG_BYPASS,
		info.flags & NFQ_FLAG_CPU_FANOUT);
	add(w, " # by xt NFQUEUE");
}

static void write_tproxy(struct writer *w, const struct op *o)
{
	const char *family = o->v[0] == NFPROTO_IPV4   ? "tproxy ip to :"
	                     : o->v[0] == NFPROTO_IPV6 ? "tproxy ip6 to :"
	                                               : "tproxy to :";

	write_immediate_use(w, o->v[1], FORM_PORT, family);
}

static void write_reject(struct writer *w, const struct op *o)
{
	if (o->v[0] == NFT_REJECT_TCP_RST)
		add(w, "reject with tcp reset");
	else
		add(w, "reject #%u", o->v[0]);
}

static void write_verdict(struct writer *w, const struct op *o)
{
	static const struct {
		int32_t code;
		const char *text;
	} verdicts[] = {
		{ NF_DROP, "drop" },
		{ NF_ACCEPT, "accept" },
		{ NFT_CONTINUE, "continue" },
		{ NFT_RETURN, "return" },
		{ NFT_JUMP, "jump" },
		{ NFT_GOTO, "goto" },
	};
	const char *text = NULL;

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (verdicts[i].code == (int32_t)o->v[1])
			text = verdicts[i].text;
	if (text)
		add(w, "%s", text);
	else
		add(w, "verdict #%d", (int32_t)o->v[1]);
	if (o->kind == OP_GOTO)
		add(w, " %s", o->name);
}

static void write_other(struct writer *w, const struct op *o)
{
	add(w, "[%s]", o->name);
}

/* Those that are missing here load; they print nothing themselves. */
static void (*const writers[OP_KIND_COUNT])(struct writer *w, const struct op *o) = {
	[OP_OTHER] = write_other,
	[OP_META_SET] = write_set,
	[OP_CT_SET] = write_set,
	[OP_COMPARE] = write_compare,
	[OP_LOOKUP] = write_lookup,
	[OP_VERDICT] = write_verdict,
	[OP_GOTO] = write_verdict,
	[OP_COUNTER] = write_counter,
	[OP_COUNTER_MAP] = write_counter_map,
	[OP_TPROXY] = write_tproxy,
	[OP_REJECT] = write_reject,
	[OP_UPDATE] = write_update,
	[OP_QUEUE] = write_queue,
	[OP_TARGET] = write_target,
};

static void write_op(struct writer *w, const struct op *o)
{
	const uint32_t key[3] = { o->v[0], 0, 0 };

	if (writers[o->kind]) {
		separate(w);
		writers[o->kind](w, o);
	} else if (o->kind == OP_BITWISE) {
		change_load(w, o);
	} else if (o->kind == OP_IMMEDIATE) {
		w->immediate = o;
	} else if (o->kind == OP_PAYLOAD) {
		load(w, o->kind, &o->v[1], o->v[0]);
	} else {
		load(w, o->kind, key, o->v[1]);
	}
}

void plan_rule_text(const struct plan_rule *rule, char text[static PLAN_TEXT_MAX])
{
	struct writer w = { .text = text };

	text[0] = '\0';
	for (size_t i = 0; i < rule->n_ops; i++)
		write_op(&w, &rule->ops[i]);
	if (w.loads[0]) {
		separate(&w);
		add(&w, "(unused %s)", w.loads);
	}
}
