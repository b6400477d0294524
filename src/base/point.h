/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Fault points: places with a name, where the suite may make something go wrong.
 *
 * src/ only names them; faults/points.def is the catalogue, and a name that is not in it does not
 * compile. In the production flavour (no SV_FAULTS) they fold to constants.
 */
#ifndef SINVAL_BASE_POINT_H
#define SINVAL_BASE_POINT_H

/* What a point tells the code around it to do. Kill, stall and delay happen inside the call. */
enum sv_point_answer {
    SV_POINT_PROCEED = 0,
    SV_POINT_FAIL,      /* let the call fail */
    SV_POINT_DROP,      /* do not do it */
    SV_POINT_DUPLICATE, /* do it twice */
    SV_POINT_INTERRUPT, /* as if interrupted, or woken for no reason */
};

enum sv_point {

#define SV_POINT_DEF(name, path, actions, where, death) SV_POINT_##name,
#include "faults/points.def"
#undef SV_POINT_DEF
    SV_POINT_COUNT,
};

#ifdef SV_FAULTS
/* Defined by faults/injector.c. */
extern enum sv_point_answer sv_point_hit(enum sv_point point);
/* For signal handlers: never enters libfiu. */
extern void sv_point_hit_async(enum sv_point point);
#else
static inline enum sv_point_answer sv_point_hit(enum sv_point point)
{
    (void)point;
    return SV_POINT_PROCEED;
}

static inline void sv_point_hit_async(enum sv_point point)
{
    (void)point;
}
#endif

/* A point whose actions all happen inside it. */
#define SV_POINT(name)        ((void)sv_point_hit(SV_POINT_##name))
/* A point whose answer the code must honour. */
#define SV_POINT_ANSWER(name) sv_point_hit(SV_POINT_##name)
/* A point in a signal handler. */
#define SV_POINT_ASYNC(name)  sv_point_hit_async(SV_POINT_##name)

#endif
