/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry-admission: judges new connections before they are diverted. */
#include "admission/admission.h"
#include "settings/program.h"

static const struct program program = {
	.name = "admission",
	.usage =
		"usage: mailferry-admission [-c FILE]\n"
		"\n"
		"Judges new connections to the old server that no prefix of `mailferry "
		"admit`\n"
		"decides: whether there is room for them, and whether a network begins too "
		"many.\n"
		"While there is room, the kernel lets most of them in by itself.\n"
		"Runs in the foreground until SIGTERM; normally `mailferry up` starts it.\n"
		"\n"
		"  -c FILE     configuration (default " PROGRAM_CONFIG ")\n"
		"  -h, --help  this help\n",
	.has_takeover = true,
};

int main(int argc, char **argv)
{
	struct program_start start;
	int r = program_begin(&program, argc, argv, &start);

	if (r >= 0)
		return r;
	r = admission_run(&start);
	settings_fini(&start.settings);
	return r;
}
