/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_VALUES_PARTS_H
#define SETTINGS_VALUES_PARTS_H
/* Between values.c (the kinds of options, and how their texts are read) and
   values_print.c (how they are written). */
#include "settings/options.h"

#include <stdio.h>

typedef void option_print_fn(const struct option *o, const void *base, FILE *to);

option_print_fn value_print_switch, value_print_number, value_print_port,
	value_print_quota, value_print_percents, value_print_bits, value_print_choice,
	value_print_uids, value_print_text, value_print_paths, value_print_addresses,
	value_print_domains;

#endif
