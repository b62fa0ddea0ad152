/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/content.h"

#include "wire/mime/continuation.h"
#include "wire/mime/header.h"
#include "wire/mime/lex.h"

static bool take_token(struct str *rest, struct str *ret)
{
	mime_skip_space(rest, NULL);
	return mime_atom(rest, MIME_TOKEN_STOPS, ret);
}

/* Unquoted values with "/" or "=" in them are common, so only ";" and space end one. */
static bool take_value(struct str *rest, struct arena *arena, struct str *ret)
{
	mime_skip_space(rest, NULL);
	return mime_quoted(rest, arena, ret) || mime_atom(rest, STR_LIT(";\"()"), ret);
}

static bool take_param(struct str *rest, struct arena *arena, struct mime_param *ret)
{
	if (!take_token(rest, &ret->name))
		return false;
	mime_skip_space(rest, NULL);
	return mime_take(rest, '=') && take_value(rest, arena, &ret->value);
}

static void take_all_params(
	struct str rest, struct arena *arena, struct mime_content *content)
{
	struct mime_param param;

	content->n_params = 0;
	while (rest.len && content->n_params < MIME_PARAMS_MAX) {
		mime_skip_space(&rest, NULL);
		if (mime_take(&rest, ';')) {
			if (take_param(&rest, arena, &param))
				content->params[content->n_params++] = param;
		} else {
			rest = str_skip(rest, 1); /* rubbish up to the next ";" */
		}
	}
}

/* Without memory to join the pieces they stay as they are. */
static void take_params(
	struct str rest, struct arena *arena, struct mime_content *content)
{
	take_all_params(rest, arena, content);
	(void)mime_join_pieces(content, arena);
}

bool mime_content_type(
	struct str value, struct arena *arena, struct mime_content *ret_content)
{
	struct str rest = value;

	if (!take_token(&rest, &ret_content->type))
		return false;
	mime_skip_space(&rest, NULL);
	if (!mime_take(&rest, '/') || !take_token(&rest, &ret_content->subtype))
		return false;
	take_params(rest, arena, ret_content);
	return true;
}

bool mime_disposition(
	struct str value, struct arena *arena, struct mime_content *ret_content)
{
	struct str rest = value;

	if (!take_token(&rest, &ret_content->type))
		return false;
	ret_content->subtype = STR_LIT("");
	take_params(rest, arena, ret_content);
	return true;
}

struct str mime_param(const struct mime_content *content, struct str name)
{
	for (size_t i = 0; i < content->n_params; i++)
		if (str_ieq(content->params[i].name, name))
			return content->params[i].value;
	return (struct str){ 0 };
}

struct str mime_param_text(
	const struct mime_content *content, struct str name, struct arena *arena)
{
	struct str value = mime_param(content, name);

	for (size_t i = 0; !value.ptr && i < content->n_params; i++) {
		struct str other = content->params[i].name;

		if (other.len == name.len + 1 && other.ptr[name.len] == '*' &&
			str_ieq(str_take(other, name.len), name))
			value = mime_extended_text(content->params[i].value, arena);
	}
	return value;
}

struct str mime_transfer_encoding(struct str header)
{
	struct mime_field field;
	struct str word, none = STR("7bit");

	if (!mime_find_last_field(header, STR_LIT("Content-Transfer-Encoding"), &field))
		return none;
	mime_skip_space(&field.value, NULL);
	if (!mime_atom(&field.value, MIME_TOKEN_STOPS, &word))
		return none;
	mime_skip_space(&field.value, NULL);
	return !field.value.len || field.value.ptr[0] == ';' ? word : none;
}

bool mime_is_type(const struct mime_content *content, struct str type, struct str subtype)
{
	return str_ieq(content->type, type) && str_ieq(content->subtype, subtype);
}
