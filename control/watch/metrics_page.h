/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_WATCH_METRICS_PAGE_H
#define CONTROL_WATCH_METRICS_PAGE_H
/* Samples on their way to the page of metrics. */
#include "control/watch/metrics.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#define PAGE_LABELS_MAX 512

struct page {
	struct buf lines[METRIC_COUNT]; /* those of each metric stand together */
	int code;                       /* the first error */
};

/* labels: as they stand between the braces. */
void page_add(struct page *p, enum metric_id id, const char *suffix, const char *labels,
	double value);
/* With one label (NULL: none); of a counter its total. */
void page_number(struct page *p, enum metric_id id, const char *label, const char *value,
	uint64_t number);
/* Adds one to the labels. */
void page_label(char labels[static PAGE_LABELS_MAX], const char *name, const char *value);
/* counts[i]: up to ends[i], in seconds; counts[n]: longer. */
void page_histogram(struct page *p, enum metric_id id, const double *ends, size_t n,
	const uint64_t *counts, double sum);

/* All that there is (metrics_gather.c). */
int metrics_gather(struct control *c, struct page *p);

#endif
