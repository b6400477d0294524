/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval: caches in many processes, kept right by a shared invalidation queue that survives
 * SIGKILL of any participant. This header includes all others, in reading order.
 */
#ifndef SINVAL_SINVAL_H
#define SINVAL_SINVAL_H

#include "sinval/api.h"
#include "sinval/backend.h"
#include "sinval/catcache.h"
#include "sinval/latch.h"
#include "sinval/lwlock.h"
#include "sinval/message.h"
#include "sinval/postmaster.h"
#include "sinval/procsignal.h"
#include "sinval/queue.h"
#include "sinval/relcache.h"
#include "sinval/segment.h"
#include "sinval/source.h"
#include "sinval/stat.h"
#include "sinval/transaction.h"

#endif
