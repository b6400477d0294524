/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The carriers of a program on the operating system itself. (faults/carrier_fiber.c has the one of
 * a program that simulates it.)
 */
#include "faults/carrier.h"

const struct carrier_kind *const carrier_kinds[] = {&carrier_process, &carrier_thread, NULL};
