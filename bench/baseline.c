/*
 * The work of the benchmarks in plain C, in the way an emulator does it: a dense array of
 * 64-bit TCEs, windows in a linked list, hypercalls through a table of function pointers,
 * one notification a page, and a replay that translates page by page.
 *
 *     baseline NAME...      prints "NAME ns-per-operation" for each
 *
 * What an operation is: a call for put-*, map-unmap (two calls) and translate-hot, a TCE for
 * the multi-TCE calls, an entry of the window for replay.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOINLINE __attribute__((noinline))

enum { H_PUT_TCE = 0x20, H_STUFF_TCE = 0x138, H_PUT_TCE_INDIRECT = 0x13c, MAX_OPCODE = 0x45c };
enum { H_SUCCESS = 0, H_FUNCTION = -2, H_PARAMETER = -4 };
enum { PERM_MASK = 3, NOTIFY_UNMAP = 1, NOTIFY_MAP = 2 };

static const uint64_t LIOBN = 0x80000000;     /* the default window: behind the other one in the list */
static const uint64_t WINDOW_ENTRIES = 1 << 18;  /* 1 GiB of 4 KiB pages */
static const uint64_t LIST_ADDRESS = 0x100000;

/* ------------------------------------------------------------------ memory regions */

struct entry {
    uint64_t iova, target, mask;
    int perm;
};

struct window;
struct region {
    uint64_t size;
    uint8_t *ram;
    struct entry (*translate)(struct window *window, uint64_t address);
    struct window *window;
    struct notifier *notifiers;
};

struct section {
    uint64_t first, last, offset;
    struct region *region;
};

/* An address space: sections in ascending order, and the one found last. */
struct space {
    const struct section *sections;
    size_t count;
    const struct section *hit;
};

struct notifier {
    struct notifier *next;
    int flags;
    uint64_t first, last;
    void (*notify)(struct notifier *notifier, const struct entry *entry);
    uint64_t heard, sum;
};

struct window {
    struct window *next;
    uint32_t liobn;
    uint32_t entries;
    uint32_t shift;
    uint64_t bus;
    uint64_t *table;
    struct region region;
};

static struct window *windows;
static uint8_t *guest_ram;
static const uint64_t RAM_SIZE = 256 << 20;
static struct region ram_region;
static struct section system_sections[1];
static struct space system_space;
static struct section bus_sections[3];
static struct space bus_space;
/* Tracing is off, which a program has to look up all the same. */
volatile int trace_enabled;

static NOINLINE const struct section *find_section(struct space *space, uint64_t address)
{
    const struct section *hit = space->hit;
    if (hit && address >= hit->first && address <= hit->last) {
        return hit;
    }
    size_t low = 0, high = space->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct section *section = &space->sections[middle];
        if (address < section->first) {
            high = middle;
        } else if (address > section->last) {
            low = middle + 1;
        } else {
            space->hit = section;
            return section;
        }
    }
    return NULL;
}

/* Follows an access through the IOMMUs to a region that is not one. */
static NOINLINE struct region *translate(struct space *space, uint64_t address, bool write, uint64_t *offset,
                                         uint64_t *length)
{
    for (;;) {
        const struct section *section = find_section(space, address);
        if (!section) {
            return NULL;
        }
        struct region *region = section->region;
        uint64_t at = address - section->first + section->offset;
        if (!region->translate) {
            uint64_t left = section->last - address + 1;
            *length = *length < left ? *length : left;
            *offset = at;
            return region;
        }
        struct entry entry = region->translate(region->window, at);
        if (!(entry.perm & (write ? 2 : 1))) {
            return NULL;
        }
        address = (entry.target & ~entry.mask) | (at & entry.mask);
        uint64_t left = (address | entry.mask) - address + 1;
        *length = *length < left ? *length : left;
        space = &system_space;
    }
}

static uint64_t load_be64(uint64_t address)
{
    uint64_t offset, length = 8, value = 0;
    struct region *region = translate(&system_space, address, false, &offset, &length);
    if (region && region->ram && length == 8) {
        memcpy(&value, region->ram + offset, 8);
    }
    return __builtin_bswap64(value);
}

static void store_be64(uint64_t address, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(guest_ram + address, &value, 8);
}

/* ------------------------------------------------------------------ the IOMMU */

static struct entry window_translate(struct window *window, uint64_t address)
{
    struct entry entry = { address, 0, ~(uint64_t)0, 0 };
    uint64_t index = address >> window->shift;
    if (index < window->entries) {
        uint64_t tce = window->table[index];
        uint64_t mask = ((uint64_t)1 << window->shift) - 1;
        entry.iova = address & ~mask;
        entry.target = tce & ~mask;
        entry.mask = mask;
        entry.perm = tce & PERM_MASK;
    }
    if (trace_enabled) {
        puts("xlate");
    }
    return entry;
}

static NOINLINE void notify(struct region *region, const struct entry *entry)
{
    int kind = entry->perm ? NOTIFY_MAP : NOTIFY_UNMAP;
    for (struct notifier *notifier = region->notifiers; notifier; notifier = notifier->next) {
        if (notifier->first > entry->iova + entry->mask || notifier->last < entry->iova) {
            continue;
        }
        if (notifier->flags & kind) {
            notifier->notify(notifier, entry);
        }
    }
}

static void count_notification(struct notifier *notifier, const struct entry *entry)
{
    notifier->heard++;
    notifier->sum += entry->target;
}

static NOINLINE struct window *find_window(uint64_t liobn)
{
    if (liobn >> 32) {
        return NULL;
    }
    for (struct window *window = windows; window; window = window->next) {
        if (window->liobn == (uint32_t)liobn) {
            return window;
        }
    }
    return NULL;
}

static NOINLINE int64_t put(struct window *window, uint64_t ioba, uint64_t tce)
{
    uint64_t mask = ((uint64_t)1 << window->shift) - 1;
    uint64_t index = ((ioba & ~mask) - window->bus) >> window->shift;
    if (index >= window->entries) {
        return H_PARAMETER;
    }
    window->table[index] = tce;
    struct entry entry = { ((ioba & ~mask) - window->bus), tce & ~mask, mask, tce & PERM_MASK };
    notify(&window->region, &entry);
    return H_SUCCESS;
}

/* Each page by the generic code: translate, and tell of what is mapped, until the address wraps around. */
static NOINLINE void replay(struct region *region, struct notifier *notifier)
{
    uint64_t step = (uint64_t)1 << region->window->shift;
    for (uint64_t address = 0; address < region->size; address += step) {
        struct entry entry = region->translate(region->window, address);
        if (entry.perm) {
            notifier->notify(notifier, &entry);
        }
        if (address + step < address) {
            break;
        }
    }
}

/* ------------------------------------------------------------------ hypercalls */

typedef int64_t handler(uint64_t *args);

static int64_t h_put_tce(uint64_t *args)
{
    struct window *window = find_window(args[0]);
    int64_t status = window ? put(window, args[1], args[2]) : H_PARAMETER;
    if (trace_enabled) {
        puts("put");
    }
    return status;
}

static int64_t h_put_tce_indirect(uint64_t *args)
{
    struct window *window = find_window(args[0]);
    if (!window || args[3] > 512 || (args[2] & 0xfff)) {
        return H_PARAMETER;
    }
    int64_t status = H_PARAMETER;
    for (uint64_t i = 0; i < args[3]; i++) {
        uint64_t tce = load_be64(args[2] + i * 8);
        status = put(window, args[1] + (i << window->shift), tce);
        if (status) {
            break;
        }
    }
    if (trace_enabled) {
        puts("indirect");
    }
    return status;
}

static int64_t h_stuff_tce(uint64_t *args)
{
    struct window *window = find_window(args[0]);
    if (!window || args[3] > window->entries) {
        return H_PARAMETER;
    }
    int64_t status = H_PARAMETER;
    for (uint64_t i = 0; i < args[3]; i++) {
        status = put(window, args[1] + (i << window->shift), args[2]);
        if (status) {
            break;
        }
    }
    if (trace_enabled) {
        puts("stuff");
    }
    return status;
}

static handler *handlers[MAX_OPCODE / 4 + 1];

static NOINLINE int64_t hypercall(uint64_t opcode, uint64_t *args)
{
    if (opcode <= MAX_OPCODE && !(opcode & 3)) {
        handler *handle = handlers[opcode / 4];
        if (handle) {
            return handle(args);
        }
    }
    return H_FUNCTION;
}

/* ------------------------------------------------------------------ the machine */

static struct window *add_window(uint32_t liobn, uint64_t bus, uint32_t entries, uint32_t shift)
{
    struct window *window = calloc(1, sizeof *window);
    window->liobn = liobn;
    window->bus = bus;
    window->entries = entries;
    window->shift = shift;
    window->table = entries ? calloc(entries, 8) : NULL;
    if (entries && !window->table) {
        fprintf(stderr, "no memory for %u entries\n", entries);
        exit(1);
    }
    window->region = (struct region){ .size = (uint64_t)entries << shift, .translate = window_translate, .window = window };
    window->next = windows;
    windows = window;
    return window;
}

static struct notifier the_notifier = { NULL, NOTIFY_MAP | NOTIFY_UNMAP, 0, ~(uint64_t)0, count_notification, 0, 0 };

static struct window *make_machine(bool notified)
{
    handlers[H_PUT_TCE / 4] = h_put_tce;
    handlers[H_STUFF_TCE / 4] = h_stuff_tce;
    handlers[H_PUT_TCE_INDIRECT / 4] = h_put_tce_indirect;
    guest_ram = calloc(1, RAM_SIZE);
    ram_region = (struct region){ .size = RAM_SIZE, .ram = guest_ram };
    system_sections[0] = (struct section){ 0, RAM_SIZE - 1, 0, &ram_region };
    system_space = (struct space){ system_sections, 1, NULL };
    windows = NULL;
    struct window *window = add_window(LIOBN, 0, WINDOW_ENTRIES, 12);
    struct window *other = add_window(LIOBN + 1, (uint64_t)1 << 59, 1 << 15, 16);
    static struct region msi = { .size = 0x1000 };
    bus_sections[0] = (struct section){ 0, window->region.size - 1, 0, &window->region };
    bus_sections[1] = (struct section){ (uint64_t)4 << 40, ((uint64_t)4 << 40) + 0xfff, 0, &msi };
    bus_sections[2] = (struct section){ other->bus, other->bus + other->region.size - 1, 0, &other->region };
    bus_space = (struct space){ bus_sections, 3, NULL };
    the_notifier.heard = 0;
    window->region.notifiers = notified ? &the_notifier : NULL;
    return window;
}

/* ------------------------------------------------------------------ measuring */

/* Processor time, as what else the machine does is none of this program's. */
static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static uint64_t random_state = 1;
static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((random_state >> 33) * limit) >> 31);
}

static void check(bool right, const char *what)
{
    if (!right) {
        fprintf(stderr, "baseline: wrong result: %s\n", what);
        exit(1);
    }
}

enum { WORKING_SET = 512, ORDER = 1 << 14 };
static uint32_t order[ORDER];

/* Pages of a busy guest: 128 in each of four pools of 49152 entries, in random order. */
static void make_order(void)
{
    static uint32_t pages[WORKING_SET];
    for (int i = 0; i < WORKING_SET; i++) {
        pages[i] = (i % 4) * 49152 + random_below(512);
    }
    for (int i = 0; i < ORDER; i++) {
        order[i] = pages[random_below(WORKING_SET)];
    }
}

static double puts_ns(bool notified)
{
    struct window *window = make_machine(notified);
    uint64_t args[8] = { LIOBN };
    const int calls = 8000000;
    double start = 0;
    make_order();
    for (int i = -ORDER; i < calls; i++) {
        if (i == 0) {
            start = now_ns();
        }
        args[1] = (uint64_t)order[i & (ORDER - 1)] << 12;
        args[2] = ((uint64_t)(i & 0xffff) << 12) | 3;
        check(hypercall(H_PUT_TCE, args) == H_SUCCESS, "put");
    }
    double ns = (now_ns() - start) / calls;
    check(!notified || the_notifier.heard == (uint64_t)calls + ORDER, "notifications of put");
    check(window->table[order[(calls - 1) & (ORDER - 1)]] != 0, "entry of put");
    return ns;
}

static double put_tce_hot(void) { return puts_ns(false); }
static double put_tce_hot_notifier(void) { return puts_ns(true); }

static double map_unmap_hot(void)
{
    struct window *window = make_machine(false);
    uint64_t args[8] = { LIOBN };
    const int pairs = 4000000;
    make_order();
    double start = now_ns();
    for (int i = 0; i < pairs; i++) {
        args[1] = (uint64_t)order[i & (ORDER - 1)] << 12;
        args[2] = ((uint64_t)(i & 0xffff) << 12) | 3;
        check(hypercall(H_PUT_TCE, args) == H_SUCCESS, "map");
        args[2] = 0;
        args[3] = 1;
        check(hypercall(H_STUFF_TCE, args) == H_SUCCESS, "unmap");
    }
    double ns = (now_ns() - start) / pairs;
    check(window->table[order[0]] == 0, "entry of unmap");
    return ns;
}

static double indirect_ns(bool unrelated)
{
    make_machine(true);
    uint64_t args[8] = { LIOBN, 0, LIST_ADDRESS, 512 };
    const int calls = 20000;
    for (int i = 0; i < 512; i++) {
        uint64_t page = unrelated ? random_below(0xffff) : 0x1000u + i;
        store_be64(LIST_ADDRESS + i * 8, (page << 12) | 3);
    }
    double start = now_ns();
    for (int i = 0; i < calls; i++) {
        args[1] = (uint64_t)(i & 63) << 21;
        check(hypercall(H_PUT_TCE_INDIRECT, args) == H_SUCCESS, "indirect");
    }
    double ns = (now_ns() - start) / calls / 512;
    check(the_notifier.heard == (uint64_t)calls * 512, "notifications of indirect");
    return ns;
}

static double put_tce_indirect_512(void) { return indirect_ns(false); }
static double put_tce_indirect_512_random(void) { return indirect_ns(true); }

static double stuff_tce_512(void)
{
    make_machine(true);
    uint64_t args[8] = { LIOBN, 0, 0, 512 };
    const int calls = 20000;
    double start = now_ns();
    for (int i = 0; i < calls; i++) {
        args[1] = (uint64_t)(i & 63) << 21;
        check(hypercall(H_STUFF_TCE, args) == H_SUCCESS, "stuff");
    }
    double ns = (now_ns() - start) / calls / 512;
    check(the_notifier.heard == (uint64_t)calls * 512, "notifications of stuff");
    return ns;
}

static double translate_hot(void)
{
    struct window *window = make_machine(false);
    window->table[5] = 0x7003;
    const int calls = 8000000;
    uint64_t sum = 0;
    double start = now_ns();
    for (int i = 0; i < calls; i++) {
        uint64_t offset = 0, length = 4;
        struct region *region = translate(&bus_space, 0x5000 + (i & 0xffc), true, &offset, &length);
        sum += region ? offset + length : 0;
    }
    double ns = (now_ns() - start) / calls;
    check(sum > (uint64_t)calls * 0x7000, "translation");
    return ns;
}

/* The walk of a window of 2^26 entries, its pages touched by a walk before. */
static double replay_empty(void)
{
    make_machine(false);
    struct window *window = add_window(LIOBN + 2, 0, 1 << 26, 16);
    the_notifier.heard = 0;
    replay(&window->region, &the_notifier);
    double start = now_ns();
    replay(&window->region, &the_notifier);
    double ns = (now_ns() - start) / window->entries;
    check(the_notifier.heard == 0, "notifications of replay");
    return ns;
}

/* ------------------------------------------------------------------ a guest's driver */

/* Linux's table of a window: a bitmap, four pools for small requests and one for large ones, each with a hint. */
enum { SMALL_POOLS = 4, HINT_ALIGN = 16, NET_RING = 256, PACKET_BYTES = 1514 };
struct pool { uint32_t start, end, hint; };
struct guest_table {
    uint64_t *bitmap;
    uint32_t pool_size;
    struct pool pools[SMALL_POOLS + 1];
};

static bool bit_of(const uint64_t *bitmap, uint32_t bit)
{
    return bitmap[bit >> 6] >> (bit & 63) & 1;
}

/* The first bit from one on, before a limit, that is set, or that is not; the limit if there is none. */
static NOINLINE uint32_t next_bit(const uint64_t *bitmap, uint32_t bit, uint32_t limit, bool set)
{
    while (bit < limit) {
        uint64_t word = (set ? bitmap[bit >> 6] : ~bitmap[bit >> 6]) >> (bit & 63);
        if (word) {
            bit += __builtin_ctzll(word);
            return bit < limit ? bit : limit;
        }
        bit = (bit | 63) + 1;
    }
    return limit;
}

static NOINLINE int64_t find_area(const uint64_t *bitmap, uint32_t start, uint32_t limit, uint32_t pages)
{
    for (;;) {
        start = next_bit(bitmap, start, limit, false);
        if (start + pages > limit) {
            return -1;
        }
        uint32_t taken = next_bit(bitmap, start, start + pages, true);
        if (taken == start + pages) {
            return start;
        }
        start = taken + 1;
    }
}

static NOINLINE int64_t guest_allocate(struct guest_table *table, uint32_t pages, uint32_t number)
{
    struct pool *pool = &table->pools[number];
    for (int pass = 0; pass < 2; pass++) {
        uint32_t start = pool->hint < pool->end ? pool->hint : pool->start;
        int64_t entry = find_area(table->bitmap, start, pool->end - 1, pages);
        if (entry >= 0) {
            for (uint32_t i = 0; i < pages; i++) {
                table->bitmap[(entry + i) >> 6] |= (uint64_t)1 << ((entry + i) & 63);
            }
            pool->hint = (entry + pages + HINT_ALIGN - 1) / HINT_ALIGN * HINT_ALIGN;
            return entry;
        }
        pool->hint = pool->start;
    }
    return -1;
}

static NOINLINE void guest_free(struct guest_table *table, uint32_t entry, uint32_t pages)
{
    for (uint32_t i = 0; i < pages; i++) {
        check(bit_of(table->bitmap, entry + i), "entry in use");
        table->bitmap[(entry + i) >> 6] &= ~((uint64_t)1 << ((entry + i) & 63));
    }
}

static NOINLINE int64_t guest_map(struct guest_table *table, uint64_t physical, uint32_t size)
{
    uint64_t args[8] = { LIOBN };
    uint32_t pages = ((physical & 4095) + size + 4095) >> 12;
    int64_t entry = guest_allocate(table, pages, 0);
    check(entry >= 0, "entries");
    args[1] = (uint64_t)entry << 12;
    args[2] = (physical & ~(uint64_t)4095) | 1;
    check(hypercall(H_PUT_TCE, args) == H_SUCCESS, "map");
    return (entry << 12) + (physical & 4095);
}

static NOINLINE void guest_unmap(struct guest_table *table, int64_t address, uint32_t size)
{
    uint64_t args[8] = { LIOBN };
    uint32_t entry = address >> 12;
    uint32_t pages = ((address + size + 4095) >> 12) - entry;
    args[1] = (uint64_t)entry << 12;
    args[2] = 0;
    args[3] = pages;
    check(hypercall(H_STUFF_TCE, args) == H_SUCCESS, "unmap");
    guest_free(table, entry, pages);
}

/* Packets of a network card: each is mapped, and unmapped when its slot of the ring comes again. */
static double guest_net_pairs(void)
{
    struct window *window = make_machine(false);
    struct guest_table table = { calloc(WINDOW_ENTRIES / 64, 8), WINDOW_ENTRIES * 3 / 4 / SMALL_POOLS, { { 0 } } };
    int64_t ring[NET_RING] = { 0 };
    const int pairs = 4000000;
    for (uint32_t i = 0; i <= SMALL_POOLS; i++) {
        uint32_t end = i < SMALL_POOLS ? (i + 1) * table.pool_size : WINDOW_ENTRIES;
        table.pools[i] = (struct pool){ i * table.pool_size, end, i * table.pool_size };
    }
    table.bitmap[0] = 1;
    double start = now_ns();
    for (int i = 0; i < pairs; i++) {
        int slot = i % NET_RING;
        if (i >= NET_RING) {
            guest_unmap(&table, ring[slot], PACKET_BYTES);
        }
        ring[slot] = guest_map(&table, 0x4000000 + slot * 4096, PACKET_BYTES);
    }
    double ns = (now_ns() - start) / pairs;
    uint32_t live = 0;
    for (uint64_t i = 0; i < WINDOW_ENTRIES; i++) {
        live += window->table[i] != 0;
    }
    check(live == NET_RING, "entries of packets that are under way");
    free(table.bitmap);
    return ns;
}

static const struct {
    const char *name;
    double (*run)(void);
} benchmarks[] = {
    { "put-tce-hot", put_tce_hot },
    { "put-tce-hot-notifier", put_tce_hot_notifier },
    { "map-unmap-hot", map_unmap_hot },
    { "put-tce-indirect-512", put_tce_indirect_512 },
    { "put-tce-indirect-512-random", put_tce_indirect_512_random },
    { "stuff-tce-512", stuff_tce_512 },
    { "translate-hot", translate_hot },
    { "replay-empty", replay_empty },
    { "guest-net-pairs", guest_net_pairs },
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool known = false;
        for (size_t b = 0; b < sizeof benchmarks / sizeof *benchmarks; b++) {
            if (!strcmp(argv[i], benchmarks[b].name)) {
                known = true;
                printf("%s %.4f\n", argv[i], benchmarks[b].run());
            }
        }
        if (!known) {
            fprintf(stderr, "baseline: no benchmark %s\n", argv[i]);
            return 1;
        }
    }
    return 0;
}
