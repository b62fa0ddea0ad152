/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/refusal.h"

#include "wire/line.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* ---- by code ---- */

enum meaning { UNCLEAR, CLIENT, MAILBOX };

/* X.1: 0 is "other address status", 7 and 8 are the sender's address. */
static enum meaning address_status(struct str detail)
{
	if (str_eq(detail, STR_LIT("7")) || str_eq(detail, STR_LIT("8")))
		return CLIENT;
	return str_eq(detail, STR_LIT("0")) ? UNCLEAR : MAILBOX;
}

/* X.2: 0 is what grey-listing says. */
static enum meaning mailbox_status(struct str detail)
{
	return str_eq(detail, STR_LIT("0")) ? CLIENT : MAILBOX;
}

static enum meaning own_trouble(struct str detail)
{
	(void)detail;
	return MAILBOX; /* not the client's: it is served here */
}

static enum meaning by_code(const struct smtp_reply *r)
{
	static const struct {
		struct str subject;
		enum meaning (*detail)(struct str detail);
	} rows[] = {
		{ STR("1"), address_status },
		{ STR("2"), mailbox_status },
		{ STR("3"), own_trouble },
		{ STR("4"), own_trouble },
	};
	struct str code, subject;

	if (r->code == 421)
		return CLIENT; /* it closes: so must we */
	if (!smtp_enhanced_code(r->text, &code))
		return UNCLEAR;
	code = str_skip(code, 2);
	subject = str_split(&code, '.');
	for (size_t i = 0; i < COUNT(rows); i++)
		if (str_eq(subject, rows[i].subject))
			return rows[i].detail(code);
	return UNCLEAR;
}

/* ---- its words ---- */

static bool is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

static char closing(char c)
{
	static const char pairs[] = "<>[]\"\"";

	for (size_t i = 0; pairs[i]; i += 2)
		if (c == pairs[i])
			return pairs[i + 1];
	return '\0';
}

/* How much of it a quotation takes: "<alice@example.com>" and what else a server repeats
   of what it was told. 0: none begins here. The client chose these bytes. */
static size_t quoted(struct str text)
{
	size_t at;
	char end;

	if (!text.len)
		return 0;
	end = closing(text.ptr[0]);
	if (!end)
		return 0;
	at = str_index(str_skip(text, 1), end);
	return at + 1 < text.len ? at + 2 : 0;
}

/* How much of it an address or the name of a host takes; 0: none begins here. */
static size_t name(struct str text)
{
	bool is_name = false;
	size_t n = 0;

	for (; n < text.len && text.ptr[n] != ' ' && text.ptr[n] != '\t'; n++)
		is_name = is_name || text.ptr[n] == '@' ||
		          (text.ptr[n] == '.' && n && is_word_byte(text.ptr[n - 1]) &&
				  n + 1 < text.len && is_word_byte(text.ptr[n + 1]));
	return is_name ? n : 0;
}

static int put_word(struct buf *out, struct str word)
{
	int r = 0;

	if (buf_len(out))
		r = buf_byte(out, ' ');
	for (size_t i = 0; i < word.len && r == 0; i++) {
		char c = word.ptr[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c | 0x20);
		r = buf_byte(out, c);
	}
	return r;
}

/* One word, number or quotation off the front. */
static int take_word(struct str *text, struct str local, struct buf *out)
{
	size_t n = quoted(*text);
	struct str word;

	if (!n)
		n = name(*text);
	if (n) {
		*text = str_skip(*text, n);
		return 0;
	}
	while (n < text->len && is_word_byte(text->ptr[n]))
		n++;
	word = str_take(*text, n);
	*text = str_skip(*text, n ? n : 1);
	if (!n || str_ieq(word, local))
		return 0;
	return put_word(out, word);
}

/* "250-text", "250 text"; the rest of the reply stays in *rest. */
static bool next_line(struct str *rest, struct str *ret_text)
{
	struct str line, code;
	size_t used;

	if (line_next(*rest, SMTP_REPLY_LINE_MAX, &line, &used) != LINE_COMPLETE)
		return false;
	*rest = str_skip(*rest, used);
	*ret_text = str_skip(line, 4);
	if (smtp_enhanced_code(*ret_text, &code))
		*ret_text = str_skip(*ret_text, code.len);
	return true;
}

int smtp_refusal_words(
	const struct smtp_reply *reply, struct str recipient, struct buf *out)
{
	struct str rest = reply->bytes, text;
	struct str local = str_take(recipient, str_index(recipient, '@'));
	int r = 0;

	while (r == 0 && next_line(&rest, &text))
		while (r == 0 && text.len)
			r = take_word(&text, local, out);
	return r;
}

/* ---- by its words ---- */

/* They speak of somebody else than the recipient, whatever else they say: Postfix's
   "Sender address rejected: User unknown". */
static const struct str others[] = {
	STR("sender"),
	STR("from"),
	STR("client"),
	STR("helo"),
	STR("ehlo"),
	STR("spf"),
	STR("spam"),
	STR("policy"),
	STR("blocked"),
	STR("blacklisted"),
	STR("listed"),
};

static const struct str mailboxes[] = {
	/* "User unknown" (Sendmail, Postfix), "unknown user" (Exim's examples) */
	STR("user unknown"), STR("unknown user"), STR("recipient unknown"),
	STR("unknown recipient"), STR("mailbox unknown"), STR("unknown mailbox"),
	STR("no such user"), STR("no such recipient"), STR("no such mailbox"),
	STR("no such person"), STR("no such address"), STR("user not found"),
	STR("recipient not found"), STR("mailbox not found"), STR("user does not exist"),
	STR("user doesn t exist"), STR("recipient does not exist"),
	STR("mailbox does not exist"), STR("account does not exist"),
	STR("address does not exist"), STR("no mailbox here by that name"), /* qmail */
	STR("unrouteable address"), /* Exim: no router takes it */
	STR("invalid recipient"), STR("invalid mailbox"),
	STR("user not local"), /* RFC 5321, 4.2.3: 551 */
	STR("mailbox is full"), STR("mailbox full"), STR("over quota"),
	STR("quota exceeded"), STR("account disabled"), STR("mailbox disabled"),
	/* it does not serve this domain any more */
	STR("relay access denied"), STR("relaying denied"), STR("relay not permitted"),
	STR("that domain isn t in my list of allowed rcpthosts"), /* qmail */
};

/* Whole words of it: "spf" is not in "spfx". */
static bool has_phrase(struct str words, struct str phrase)
{
	for (size_t at = 0; at + phrase.len <= words.len; at++) {
		struct str here = str_skip(words, at);

		if (str_starts(here, phrase) && (at == 0 || words.ptr[at - 1] == ' ') &&
			(here.len == phrase.len || here.ptr[phrase.len] == ' '))
			return true;
	}
	return false;
}

static bool has_one_of(struct str words, const struct str *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (has_phrase(words, rows[i]))
			return true;
	return false;
}

static bool is_about_mailbox(struct str words)
{
	return has_one_of(words, mailboxes, COUNT(mailboxes)) &&
	       !has_one_of(words, others, COUNT(others));
}

/* What the client calls itself or the sender: "no.such.user" would do in any reply. */
static bool is_planted(struct str text)
{
	struct buf words;
	bool found = true;
	size_t n;
	int r = 0;

	buf_init(&words, SMTP_REFUSAL_WORDS_MAX);
	for (; r == 0 && text.len; text = str_skip(text, n ? n : 1)) {
		for (n = 0; n < text.len && is_word_byte(text.ptr[n]);)
			n++;
		if (n)
			r = put_word(&words, str_take(text, n));
	}
	if (r == 0)
		found = has_one_of(buf_view(&words), mailboxes, COUNT(mailboxes));
	buf_fini(&words);
	return found;
}

static bool is_mailbox_by_words(const struct smtp_reply *reply,
	const struct smtp_envelope *envelope, struct str unknown_user)
{
	struct buf words;
	bool is_mailbox = false;

	buf_init(&words, SMTP_REFUSAL_WORDS_MAX);
	if (smtp_refusal_words(reply, envelope->recipient, &words) == 0)
		is_mailbox = unknown_user.len && str_eq(buf_view(&words), unknown_user);
	buf_clear(&words);
	/* the recipient may be "user" */
	if (!is_mailbox && smtp_refusal_words(reply, STR_LIT(""), &words) == 0)
		is_mailbox = is_about_mailbox(buf_view(&words)) &&
		             !is_planted(envelope->sender) && !is_planted(envelope->helo);
	buf_fini(&words);
	return is_mailbox;
}

enum smtp_refusal smtp_refusal_of(const struct smtp_reply *reply,
	const struct smtp_envelope *envelope, struct str unknown_user)
{
	enum meaning meaning = by_code(reply);

	if (meaning == UNCLEAR && is_mailbox_by_words(reply, envelope, unknown_user))
		meaning = MAILBOX;
	return meaning == MAILBOX ? SMTP_REFUSAL_OF_MAILBOX : SMTP_REFUSAL_OF_CLIENT;
}
