/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval: caches in many processes, kept right by a shared invalidation queue that survives
 * SIGKILL of any participant. This header includes all others, in reading order.
 */
#ifndef SINVAL_SINVAL_H
#define SINVAL_SINVAL_H

/* In reading order, not in alphabetical order. */
/* clang-format off */
#include "sinval/api.h"
#include "sinval/segment.h"
#include "sinval/backend.h"
#include "sinval/lwlock.h"
#include "sinval/latch.h"
#include "sinval/procsignal.h"
#include "sinval/postmaster.h"
#include "sinval/message.h"
#include "sinval/queue.h"
#include "sinval/transaction.h"
#include "sinval/source.h"
#include "sinval/catcache.h"
#include "sinval/relcache.h"
#include "sinval/stat.h"
/* clang-format on */

#endif
