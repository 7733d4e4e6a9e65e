// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Devices that are not there, with drivers that sync their DMA buffers, and
 * sometimes forget to. Each syncplant.N is a platform device. Where memory
 * bounces (swiotlb=force, no IOMMU) the module also plays the device: it reads
 * and writes the bounce buffers, so that a forgotten sync really makes the
 * other side see old data ("stale").
 *
 * Every call of the DMA API for syncplant.N is counted. For each planned
 * mistake the kernel log says, by these numbers, which call made the mapping,
 * which was the last one before the mistake and which the next one behind it.
 */
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>
#include <linux/io.h>

#define ROUNDS 200
#define DEVS 9
#define RING 16
#define BATCH 8
#define SKIP DMA_ATTR_SKIP_CPU_SYNC

struct sp { struct platform_device *pdev; struct device *d; unsigned int call; int stale; void *ring; dma_addr_t ring_dma; };
struct buf { void *v; dma_addr_t a; size_t n; int dir; unsigned int map, last, round; const char *op; int stale; };
struct lst { struct scatterlist s[4]; void *v; int dir; unsigned int map, last, round; const char *op; int stale; };
static struct sp devs[DEVS];

#define NOTE(s, b) do { \
	(s)->call++; \
	if ((b)->op) { \
		pr_info("syncplant: %s op=%s round=%u map=%u before=%u after=%u stale=%d\n", dev_name((s)->d), (b)->op, (b)->round, (b)->map, (b)->last, (s)->call, (b)->stale); \
		(b)->op = NULL; \
	} \
	(b)->last = (s)->call; \
} while (0)
/* From here to the next call for this buffer something is forgotten (or, in a right op, unusual). */
#define PLANT(b, name, r) do { (b)->op = (name); (b)->round = (r); (b)->stale = 0; } while (0)

/* ---- calls, counted ---- */
static void map(struct sp *s, struct buf *b, size_t n, int dir, unsigned long attrs)
{
	b->n = n; b->dir = dir;
	b->a = dma_map_single_attrs(s->d, b->v, n, dir, attrs);
	NOTE(s, b); b->map = s->call;
	if (dma_mapping_error(s->d, b->a)) pr_err("syncplant: %s map failed\n", dev_name(s->d));
}
static void unmap(struct sp *s, struct buf *b, unsigned long attrs) { dma_unmap_single_attrs(s->d, b->a, b->n, b->dir, attrs); NOTE(s, b); }
static void cpu(struct sp *s, struct buf *b, size_t off, size_t n) { dma_sync_single_range_for_cpu(s->d, b->a, off, n, b->dir); NOTE(s, b); }
static void device(struct sp *s, struct buf *b, size_t off, size_t n) { dma_sync_single_range_for_device(s->d, b->a, off, n, b->dir); NOTE(s, b); }

static void sgmap(struct sp *s, struct lst *l, int dir, unsigned long attrs)
{
	int i;
	sg_init_table(l->s, 4);
	for (i = 0; i < 4; i++) sg_set_buf(&l->s[i], l->v + i * 4096, i == 3 ? 512 : 4096 - 1024 * i);
	l->dir = dir;
	if (dma_map_sg_attrs(s->d, l->s, 4, dir, attrs) != 4) pr_err("syncplant: %s map_sg\n", dev_name(s->d));
	NOTE(s, l); l->map = s->call;
}
static void sgunmap(struct sp *s, struct lst *l, unsigned long attrs) { dma_unmap_sg_attrs(s->d, l->s, 4, l->dir, attrs); NOTE(s, l); }
static void sgcpu(struct sp *s, struct lst *l) { dma_sync_sg_for_cpu(s->d, l->s, 4, l->dir); NOTE(s, l); }
static void sgdevice(struct sp *s, struct lst *l) { dma_sync_sg_for_device(s->d, l->s, 4, l->dir); NOTE(s, l); }

/* ---- the device's side: dma_addr is the address of the bounce buffer ---- */
static u8 val(int r) { return (r & 0x7f) + 1; }
static void writes(struct buf *b, size_t off, size_t n, int r) { memset(phys_to_virt(b->a) + off, val(r), n); }
static void sgwrites(struct lst *l, int r) { int i; for (i = 0; i < 4; i++) memset(phys_to_virt(sg_dma_address(&l->s[i])), val(r), sg_dma_len(&l->s[i])); }
/* Sees old data? The reader is the CPU where p is the driver's memory, the device where it is the bounce buffer. */
#define LOOK(s, b, p, r) do { if (*(u8 *)(p) != val(r)) { (s)->stale++; (b)->stale = 1; if (!(b)->op) pr_err("syncplant: %s round %d: old data, not planned\n", dev_name((s)->d), r); } } while (0)

static void *pages(int order) { return (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, order); }
static void ring_up(struct sp *s) { s->ring = dma_alloc_coherent(s->d, 4096, &s->ring_dma, GFP_KERNEL); s->call++; }
static void ring_down(struct sp *s) { dma_free_coherent(s->d, 4096, s->ring, s->ring_dma); s->call++; }

/* ---- 0: a pool to receive into, mapped once ---- */
static struct buf rx[4];
static void rx_round(struct sp *s, int r)
{
	struct buf *b = &rx[r % 4]; size_t n = 60 + r * 53 % 1455;
	writes(b, 0, n, r);
	if (r == 122) PLANT(b, "pool-from-no-for-cpu", r); else cpu(s, b, 0, n);
	LOOK(s, b, b->v, r);
	if (r == 57) PLANT(b, "pool-from-no-for-device", r); else device(s, b, 0, n);
}
/* ---- 1: a pool to send from, mapped once ---- */
static struct buf tx[4];
static void tx_round(struct sp *s, int r)
{
	struct buf *b = &tx[r % 4];
	if (r == 151) PLANT(b, "pool-to-no-for-cpu", r); else cpu(s, b, 0, b->n);
	memset(b->v, val(r), b->n);
	if (r == 80) PLANT(b, "pool-to-no-for-device", r); else device(s, b, 0, b->n);
	LOOK(s, b, phys_to_virt(b->a), r);
}
/* ---- 2: a receive ring: each buffer synced, unmapped with SKIP_CPU_SYNC, replaced; batches of 8 ---- */
static struct buf ring[RING];
static void ring_round(struct sp *s, int r)
{
	struct buf *b = &ring[r % RING]; size_t n = 60 + r * 101 % 1455; int i;
	writes(b, 0, n, r);
	if (r == 90) PLANT(b, "ring-skip-no-for-cpu", r);
	else if (r == 141 || r == 142) PLANT(b, "ring-skip-no-for-cpu-row", r);
	else cpu(s, b, 0, n);
	LOOK(s, b, b->v, r);
	unmap(s, b, SKIP);
	if (r % BATCH != BATCH - 1) return;
	for (i = r - BATCH + 1; i <= r; i++) map(s, &ring[i % RING], 2048, DMA_FROM_DEVICE, SKIP);
}
/* ---- 3: sending: mapped without a sync, filled, synced, unmapped ---- */
static struct buf late[2];
static void late_round(struct sp *s, int r)
{
	struct buf *b = &late[r % 2];
	map(s, b, 1024, DMA_TO_DEVICE, SKIP);
	memset(b->v, val(r), b->n);
	if (r == 100) PLANT(b, "skip-map-no-for-device", r); else device(s, b, 0, b->n);
	LOOK(s, b, phys_to_virt(b->a), r);
	unmap(s, b, 0);
}
/* ---- 4: lists that stay mapped, both directions ---- */
static struct lst both[2];
static void both_round(struct sp *s, int r)
{
	struct lst *l = &both[r % 2];
	sgwrites(l, r);
	if (r == 131) PLANT(l, "list-pool-no-for-cpu", r); else sgcpu(s, l);
	LOOK(s, l, l->v, r);
	memset(l->v, val(r + 50), 4096);
	if (r == 70) PLANT(l, "list-pool-no-for-device", r); else sgdevice(s, l);
	LOOK(s, l, phys_to_virt(sg_dma_address(l->s)), r + 50);
}
/* ---- 5: a list for each request, unmapped with SKIP_CPU_SYNC ---- */
static struct lst req;
static void req_round(struct sp *s, int r)
{
	sgmap(s, &req, DMA_FROM_DEVICE, 0); sgwrites(&req, r);
	if (r == 60) PLANT(&req, "list-skip-no-for-cpu", r); else sgcpu(s, &req);
	LOOK(s, &req, req.v, r);
	sgunmap(s, &req, SKIP);
}
/* ---- 6: receive pages that are used five times, then replaced ---- */
static struct buf rec[4];
static void rec_round(struct sp *s, int r)
{
	struct buf *b = &rec[r % 4]; size_t n = 60 + r * 71 % 1455; int last = r / 4 % 5 == 4;
	writes(b, 0, n, r);
	if (r == 97 && last) PLANT(b, "recycled-no-last-for-cpu", r); /* 97 / 4 = 24: a last use */
	else if (r == 42) PLANT(b, "recycled-no-sync-at-all", r);
	else if (r == 147) { cpu(s, b, 0, n / 4); PLANT(b, "recycled-short-for-cpu", r); }
	else cpu(s, b, 0, n);
	LOOK(s, b, b->v + n - 1, r);
	if (last) { unmap(s, b, SKIP); map(s, b, 2048, DMA_FROM_DEVICE, SKIP); }
	else if (r != 42) device(s, b, 0, 2048);
}
/* ---- 7: right: looks at the header now and then before it takes the rest ---- */
static struct buf peek[4];
static void peek_round(struct sp *s, int r)
{
	struct buf *b = &peek[r % 4]; size_t n = 200 + r * 31 % 1300;
	writes(b, 0, n, r);
	if (r % 100 == 49) { cpu(s, b, 0, 128); LOOK(s, b, b->v, r); PLANT(b, "right-peek", r); }
	cpu(s, b, 0, n);
	LOOK(s, b, b->v + n - 1, r);
	device(s, b, 0, n);
}
/* ---- 8: pages with two halves that go to and fro on their own; halves are sometimes held for long; large packets are unmapped ---- */
static struct buf half[3];
static void half_round(struct sp *s, int r)
{
	struct buf *b = &half[r % 3];
	writes(b, 0, 1000, r); writes(b, 2048, 1000, r);
	if (r % 10 == 7) { unmap(s, b, 0); LOOK(s, b, b->v, r); map(s, b, 4096, DMA_FROM_DEVICE, 0); return; }
	cpu(s, b, 0, 1000); LOOK(s, b, b->v, r);
	if (r % 4 == 0) { cpu(s, b, 2048, 1000); LOOK(s, b, b->v + 2048, r); if (r != 100) device(s, b, 0, 2048); device(s, b, 2048, 2048); if (r == 100) PLANT(b, "halves-no-for-device", r); }
	else if (r % 4 == 1) { cpu(s, b, 2048, 1000); LOOK(s, b, b->v + 2048, r); device(s, b, 2048, 2048); device(s, b, 0, 2048); }
	else if (r % 4 == 2) { device(s, b, 0, 2048); cpu(s, b, 2048, 1000); LOOK(s, b, b->v + 2048, r); device(s, b, 2048, 2048); }
	else device(s, b, 0, 2048);
}

static int __init sp_init(void)
{
	static void (*const rounds[DEVS])(struct sp *, int) = { rx_round, tx_round, ring_round, late_round, both_round, req_round, rec_round, peek_round, half_round };
	struct platform_device_info info = { .name = "syncplant", .dma_mask = DMA_BIT_MASK(32) };
	int i, r;

	for (i = 0; i < DEVS; i++) {
		struct sp *s = &devs[i];
		info.id = i;
		s->pdev = platform_device_register_full(&info);
		if (IS_ERR(s->pdev)) return PTR_ERR(s->pdev);
		s->d = &s->pdev->dev;
		if (dma_set_mask_and_coherent(s->d, DMA_BIT_MASK(32))) pr_err("syncplant: mask\n");
		ring_up(s);
	}
	for (i = 0; i < 4; i++) {
		rx[i].v = pages(0); map(&devs[0], &rx[i], 2048, DMA_FROM_DEVICE, 0);
		tx[i].v = pages(0); map(&devs[1], &tx[i], 1536, DMA_TO_DEVICE, 0);
		rec[i].v = pages(0); map(&devs[6], &rec[i], 2048, DMA_FROM_DEVICE, SKIP);
		peek[i].v = pages(0); map(&devs[7], &peek[i], 2048, DMA_FROM_DEVICE, 0);
	}
	for (i = 0; i < RING; i++) { ring[i].v = pages(0); map(&devs[2], &ring[i], 2048, DMA_FROM_DEVICE, SKIP); }
	for (i = 0; i < 2; i++) { late[i].v = pages(0); both[i].v = pages(2); sgmap(&devs[4], &both[i], DMA_BIDIRECTIONAL, 0); }
	for (i = 0; i < 3; i++) { half[i].v = pages(0); map(&devs[8], &half[i], 4096, DMA_FROM_DEVICE, 0); }
	req.v = pages(2);

	for (r = 0; r < ROUNDS; r++) {
		for (i = 0; i < DEVS; i++) rounds[i](&devs[i], r);
		usleep_range(15000, 20000);
	}

	/* The drivers go: buffers nobody used since are given back, then the descriptor rings. */
	for (i = 0; i < 4; i++) unmap(&devs[0], &rx[i], 0);
	for (i = 0; i < 4; i++) unmap(&devs[1], &tx[i], 0);
	for (i = 0; i < RING; i++) unmap(&devs[2], &ring[i], SKIP);
	for (i = 0; i < 2; i++) sgunmap(&devs[4], &both[i], 0);
	for (i = 0; i < 4; i++) unmap(&devs[6], &rec[i], SKIP);
	for (i = 0; i < 4; i++) unmap(&devs[7], &peek[i], 0);
	for (i = 0; i < 3; i++) unmap(&devs[8], &half[i], 0);
	for (i = 0; i < DEVS; i++) {
		ring_down(&devs[i]);
		pr_info("syncplant: %s calls=%u stale=%d\n", dev_name(devs[i].d), devs[i].call, devs[i].stale);
	}
	return 0;
}
static void __exit sp_exit(void) { int i; for (i = 0; i < DEVS; i++) platform_device_unregister(devs[i].pdev); }
module_init(sp_init); module_exit(sp_exit); MODULE_LICENSE("GPL"); MODULE_DESCRIPTION("Streaming DMA with syncs, some of them forgotten");
