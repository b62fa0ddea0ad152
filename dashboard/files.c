/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/files.h"

static const char frame_html[] = {
#include "dashboard/frame.html.inc"
};
static const char style_css[] = {
#include "dashboard/style.css.inc"
};
static const char page_js[] = {
#include "dashboard/page.js.inc"
};
static const char icon_svg[] = {
#include "dashboard/icon.svg.inc"
};

static const struct file files[] = {
	{ "frame.html", "text/html; charset=utf-8", { frame_html, sizeof(frame_html) } },
	{ "style.css", "text/css; charset=utf-8", { style_css, sizeof(style_css) } },
	{ "page.js", "text/javascript; charset=utf-8", { page_js, sizeof(page_js) } },
	{ "icon.svg", "image/svg+xml", { icon_svg, sizeof(icon_svg) } },
};

const struct file *file_by_name(struct str name)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (str_eq(name, str_from(files[i].name)))
			return &files[i];
	return NULL;
}
