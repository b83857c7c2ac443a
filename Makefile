# SPDX-License-Identifier: GPL-2.0
# The one front door of bfence: `make help` lists what it opens. Everything
# that is built lands in build/. It must never decide what a test means.

CC ?= gcc
BUILD := build
PYTHON := /usr/bin/python3
OPT ?= -O2
WERROR ?= -Werror
PREFIX ?= /usr/local
KERNEL ?= 6.1
TEST ?=
TIME ?=

CSTD := -std=gnu11 -D_GNU_SOURCE
WARN := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes \
	-Wno-missing-field-initializers $(WERROR)
INC := -Iagent -Iuapi -I$(BUILD)/gen -I/usr/include/libnl3
CFLAGS_ALL = $(CSTD) $(OPT) -g $(WARN) $(INC) $(CFLAGS)
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all

AGENT_LIBS := -luring -lssl -lcrypto -lprotobuf-c -lnl-genl-3 -lnl-3 \
	-lmicrohttpd -ljansson -linih -lsystemd
TOOLS_LIBS := -lmnl -lcurl -ljansson -luring

AGENT_SRC := $(wildcard agent/*.c agent/core/*.c agent/edge/*.c agent/storetool/*.c)
TOOLS_SRC := $(wildcard tools/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_HELP_SRC := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
UAPI := $(wildcard uapi/linux/*.h)

# Kernels whose headers are installed and that bfence supports.
KHEADERS := /usr/src
KVERS := $(patsubst $(KHEADERS)/linux-headers-%,%,$(wildcard \
	$(KHEADERS)/linux-headers-6.1.*-amd64 \
	$(KHEADERS)/linux-headers-6.12.*-amd64))
KMODS := $(KVERS:%=$(BUILD)/kmod-%/bfence.ko)
KMODS_LAB := $(KVERS:%=$(BUILD)/kmod-lab-%/bfence.ko)
KSRC := Kbuild $(wildcard kmod/*.[ch]) $(UAPI)

DEPS := gcc libc6-dev make git linux-headers-cloud-amd64 \
	libnl-3-dev libnl-genl-3-dev libmnl-dev liburing-dev libssl-dev \
	libprotobuf-c-dev protobuf-c-compiler libmicrohttpd-dev libjansson-dev \
	libinih-dev libsystemd-dev libcurl4-openssl-dev libcmocka-dev \
	qemu-system-x86 busybox-static mdadm kmod e2fsprogs dmsetup xz-utils \
	openssl scdoc python3 python3-pytest python3-yaml clang-format \
	clang libclang-rt-14-dev clang-tidy cppcheck shellcheck codespell sparse coccinelle \
	universal-ctags bc bison flex libelf-dev

# V=1 shows the commands, otherwise each is one line.
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-8s %s\n' $(1) $@)

# What is started without -j uses every core; with it, the caller's share.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
MAKEFLAGS += --no-print-directory

RINGS := tidy lint unit sim crash fuzz process vm
export RESULTS := $(BUILD)/results

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all deps userspace kmod kmod-lab kmod-guest planted lab man unit demo check check-mutants lint evidence \
	bench bench-programs install clean help fuzz-seeds $(RINGS:%=check-%) $(RINGS:%=inputs-%) \
	$(RINGS:%=ring-%)

# In a make of its own: the packages decide what there is to build.
all: deps
	@$(MAKE) $(JOBS) userspace kmod man

help:
	@echo 'make             userspace, bfence.ko for each installed kernel headers'
	@echo 'make deps        installs the Debian packages that are missing'
	@echo 'make demo        the main job, shown in QEMU guests; no KVM needed'
	@echo 'make check       every test ring; last line: passed, failed, skipped'
	@echo 'make check-RING  one of: $(RINGS)'
	@echo '                 KERNEL=6.1|6.12 TEST=part-of-a-name'
	@echo '                 check-fuzz TIME=seconds: searches, too'
	@echo '                 check-sim SEEDS=number: so many worlds'
	@echo 'make check-mutants  planted faults that check-sim must find: [MUTANT=name]'
	@echo 'make lint        the same as check-lint'
	@echo 'make evidence    which test proves which claim; exit 1 on a hole'
	@echo 'make bench       beside their peers: [GROUP=$(BENCH_GROUPS)] [QUICK=1] [RECORD=1]'
	@echo 'make install     DESTDIR= PREFIX=$(PREFIX)'
	@echo 'make clean       removes $(BUILD)/'
	@echo 'Everywhere: V=1 shows the commands, WERROR= lets warnings pass.'

# --- what the machine needs -------------------------------------------------

# One apt line: run by root, shown to anybody else.
APT := apt-get install -y --no-install-recommends
deps:
	@missing=$$(tests/tidy/missing-packages.sh $(DEPS)) || exit 1; \
	if [ -z "$$missing" ]; then \
		exit 0; \
	elif [ "$$(id -u)" = 0 ]; then \
		echo "deps: installing$$missing"; \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive \
			$(APT) -o DPkg::Lock::Timeout=300 $$missing; \
	else \
		echo "deps: packages are missing; run as root:" >&2; \
		echo "$(APT)$$missing" >&2; \
		exit 1; \
	fi

# --- userspace --------------------------------------------------------------

userspace: $(BUILD)/bfenced $(BUILD)/bfence

GEN := $(BUILD)/gen/wire.pb-c
$(GEN).c $(GEN).h &: agent/wire.proto
	$(call say,PROTOC)
	@mkdir -p $(@D)
	$(Q)protoc-c --c_out=$(BUILD)/gen -I agent $<

# The generator's own code is not ours to warn about.
$(BUILD)/obj/gen/wire.pb-c.o: $(GEN).c
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(OPT) -g -I$(BUILD)/gen -c -o $@ $<
$(BUILD)/san/gen/wire.pb-c.o: $(GEN).c
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) -O1 -g $(SAN) -I$(BUILD)/gen -c -o $@ $<

$(BUILD)/obj/%.o: %.c | $(GEN).h
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<
$(BUILD)/san/%.o: %.c | $(GEN).h
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -O1 $(SAN) -MMD -MP -c -o $@ $<

AGENT_OBJ := $(AGENT_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/gen/wire.pb-c.o
TOOLS_OBJ := $(TOOLS_SRC:%.c=$(BUILD)/obj/%.o)

$(BUILD)/bfenced: $(AGENT_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS)
$(BUILD)/bfence: $(TOOLS_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(TOOLS_LIBS)

MAN := $(patsubst %.scd,$(BUILD)/man/%,$(notdir $(wildcard tools/*.scd agent/*.scd)))
man: $(MAN)
vpath %.scd tools agent
$(BUILD)/man/%: %.scd
	$(call say,MAN)
	@mkdir -p $(@D)
	$(Q)scdoc < $< > $@

# --- kernel module ----------------------------------------------------------

kmod: $(KMODS)
kmod-lab: $(KMODS_LAB)
ifeq ($(KVERS),)
kmod kmod-lab:
	@echo "kmod: no supported kernel headers in $(KHEADERS); make deps" >&2
	@exit 1
endif

# Built in a copy, so that many kernels share one clean source folder.
define kmod_build
	$(call say,KMOD)
	@mkdir -p $(@D)
	@cp -ru $(1) $(@D)/
	+$(Q)$(MAKE) $(if $(V),,-s) -C $(KHEADERS)/linux-headers-$* \
		M=$(abspath $(@D)) CONFIG_DEBUG_INFO_BTF_MODULES= \
		KCFLAGS=$(WERROR) $(2) modules
	@touch $@
endef
$(BUILD)/kmod-lab-%/bfence.ko: $(KSRC)
	$(call kmod_build,Kbuild kmod uapi,BFENCE_LAB=1)
$(BUILD)/kmod-%/bfence.ko: $(KSRC)
	$(call kmod_build,Kbuild kmod uapi)

# --- the lab ----------------------------------------------------------------

LAB := $(BUILD)/vm/iogen $(BUILD)/vm/switch $(BUILD)/vm/stamped $(BUILD)/vm/tsc $(BUILD)/vm/asker
LAB_KMOD := $(if $(filter $(KERNEL).%-cloud-amd64,$(KVERS)),kmod kmod-lab,\
	kmod-guest)
lab: userspace $(LAB_KMOD) $(LAB)
	@tests/vm/image.sh $(KERNEL) >/dev/null

# Without installed headers: with those fetched beside the guests' kernel.
kmod-guest:
	+@kernel=$$(tests/vm/kernel.sh $(KERNEL)) && \
	$(MAKE) KHEADERS="$$kernel/usr/src" KVERS="$${kernel##*/}" \
		kmod kmod-lab $(if $(filter debug kcsan,$(KERNEL)),planted)

# Faults for the kernels that watch themselves to see.
planted: $(KVERS:%=$(BUILD)/planted-%/planted.ko)
$(BUILD)/planted-%/planted.ko: $(wildcard tests/vm/planted/*)
	$(call kmod_build,$^)

$(BUILD)/vm/%: tests/vm/%.c $(wildcard tests/vm/*.h)
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< -luring

demo: deps
	@$(MAKE) $(JOBS) lab
	@KERNEL=$(KERNEL) $(PYTHON) tests/vm/demo.py

# --- unit tests -------------------------------------------------------------

UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)
unit: $(UNIT_BIN)

# Archives, so that a test carries no more than it reaches. What wires core to
# edge is proved by the process ring.
AGENT_SAN_OBJ := $(patsubst %.c,$(BUILD)/san/%.o,$(UNIT_HELP_SRC) \
	$(filter-out agent/main.c agent/run_%,$(AGENT_SRC))) $(BUILD)/san/gen/wire.pb-c.o
TOOLS_SAN_OBJ := $(patsubst %.c,$(BUILD)/san/%.o,\
	$(filter-out tools/bfence.c,$(TOOLS_SRC)))
$(BUILD)/san/libagent.a: $(AGENT_SAN_OBJ)
$(BUILD)/san/libtools.a: $(TOOLS_SAN_OBJ)
$(BUILD)/san/%.a:
	$(call say,AR)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/san/tests/unit/%.o: INC += -Ikmod -Itools -Itests/unit
$(BUILD)/unit/test_tools_%: $(BUILD)/san/tests/unit/test_tools_%.o \
		$(BUILD)/san/libtools.a
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(SAN) -o $@ $^ $(TOOLS_LIBS) -lcmocka
$(BUILD)/unit/test_%: $(BUILD)/san/tests/unit/test_%.o $(BUILD)/san/libagent.a
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(SAN) -o $@ $^ $(AGENT_LIBS) -lcmocka
.PRECIOUS: $(BUILD)/san/%.o

# --- crash tests ------------------------------------------------------------

# The code under test is as it ships; the linker sends its system calls, and
# the loop of the tests its io_uring, to a disk in memory.
CRASH_SRC := $(wildcard tests/crash/*.c)
CRASH_BIN := $(patsubst tests/crash/test_%.c,$(BUILD)/crash/test_%,\
	$(filter tests/crash/test_%,$(CRASH_SRC)))
CRASH_HELP_OBJ := $(patsubst %.c,$(BUILD)/san/%.o,\
	$(filter-out tests/crash/test_%,$(CRASH_SRC)))
CRASH_CALLS := open openat close read pread pwrite fsync fdatasync renameat \
	unlinkat ftruncate fstat fstatat mkdir flock faccessat fallocate \
	posix_fallocate poll getpid
$(BUILD)/crash/test_%: $(BUILD)/san/tests/crash/test_%.o $(CRASH_HELP_OBJ) \
		$(BUILD)/san/libagent.a
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(SAN) $(CRASH_CALLS:%=-Wl,--wrap=%) -o $@ $^ $(AGENT_LIBS) \
		-lcmocka

# --- the simulator ----------------------------------------------------------

# The core as it ships, every message and record as bytes; once for its pace
# and once for what the sanitizers see.
SEEDS ?= 500
SIM_SRC := $(wildcard tests/sim/*.c agent/core/*.c agent/edge/wire_*.c)
SIM_OBJ := $(SIM_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/gen/wire.pb-c.o
$(BUILD)/obj/tests/sim/%.o $(BUILD)/san/tests/sim/%.o: INC += -Ikmod -Itests/sim
$(BUILD)/sim/sim: $(SIM_OBJ)
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lprotobuf-c
$(BUILD)/sim/sim-san: $(SIM_OBJ:$(BUILD)/obj/%=$(BUILD)/san/%)
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(SAN) -o $@ $^ -lprotobuf-c

# --- fuzz targets -----------------------------------------------------------

# Each twice: with gcc, which judges the inputs of the tree again, and with
# clang, which searches for more.
CLANG := clang
FUZZ := $(patsubst tests/fuzz/target_%.c,%,$(wildcard tests/fuzz/target_*.c))
FUZZ_OBJ := $(patsubst $(BUILD)/san/%,$(BUILD)/fuzz/obj/%,$(AGENT_SAN_OBJ))
FUZZ_SHARE = $(shell echo $$(($(TIME) / $(words $(FUZZ)) + 1)))

$(BUILD)/fuzz/obj/%.o: %.c | $(GEN).h
	$(call say,CLANG)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CFLAGS_ALL) -w -O1 $(SAN) -fsanitize=fuzzer-no-link \
		-MMD -MP -c -o $@ $<
$(BUILD)/fuzz/obj/gen/%.o: $(BUILD)/gen/%.c
	$(call say,CLANG)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CSTD) -O1 $(SAN) -fsanitize=fuzzer-no-link \
		-I$(BUILD)/gen -c -o $@ $<
$(BUILD)/fuzz/obj/tests/unit/%.o: INC += -Ikmod -Itools -Itests/unit
$(BUILD)/fuzz/libagent.a: $(FUZZ_OBJ)
	$(call say,AR)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/fuzz/search-%: $(BUILD)/fuzz/obj/tests/fuzz/target_%.o \
		$(BUILD)/fuzz/libagent.a
	$(call say,LINK)
	$(Q)$(CLANG) $(SAN) -fsanitize=fuzzer -o $@ $^ $(AGENT_LIBS)
$(BUILD)/fuzz/replay-%: $(BUILD)/san/tests/fuzz/target_%.o \
		$(BUILD)/san/tests/fuzz/replay.o $(BUILD)/san/libagent.a
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(SAN) -o $@ $^ $(AGENT_LIBS)
$(BUILD)/fuzz/seeds: $(BUILD)/san/tests/fuzz/seeds.o $(BUILD)/san/libagent.a
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(SAN) -o $@ $^ $(AGENT_LIBS)
.PRECIOUS: $(BUILD)/fuzz/obj/%.o

# The first inputs, made anew; what a search found stays beside them.
fuzz-seeds: $(BUILD)/fuzz/seeds
	$< tests/fuzz/corpus

-include $(shell find $(BUILD)/obj $(BUILD)/san $(BUILD)/fuzz -name '*.d' 2>/dev/null)

# --- rings ------------------------------------------------------------------

# Each ring: what it needs built, then how it runs. The runner keeps time and
# writes $(RESULTS)/RING.xml or RING/*.xml; the sum of those is the verdict.
RUN := $(PYTHON) tests/evidence/run.py
SUM := $(PYTHON) tests/evidence/results.py $(RESULTS)
pytest = $(RUN) pytest $(1) $(2) tests/$(1) $(if $(TEST),-k '$(TEST)')

inputs-tidy: ;@:
ring-tidy:
	@$(call pytest,tidy,120) tests/evidence

LINTS := clang-format checkpatch coccinelle sparse cppcheck clang-tidy shellcheck codespell
inputs-lint: $(GEN).h
ring-lint:
	@for tool in $(LINTS); do \
		BUILD=$(BUILD) INC='$(CSTD) $(INC)' $(RUN) step lint $$tool 300 \
			tests/tidy/lint.sh $$tool; \
	done

inputs-unit: unit
ring-unit:
	@$(RUN) cmocka unit 120 $(UNIT_BIN)
	$(if $(wildcard tests/unit/test_*.py),@$(RUN) pytest unit/python 120 tests/unit)

inputs-sim: $(BUILD)/sim/sim $(BUILD)/sim/sim-san
ring-sim:
	@$(RUN) step sim seeds 900 $(BUILD)/sim/sim --seeds $(SEEDS) --twice 10
	@$(RUN) step sim sanitized 900 $(BUILD)/sim/sim-san \
		--seeds $$(($(SEEDS) / 20 + 1))
	@$(RUN) step sim large 300 $(BUILD)/sim/sim --large
	@$(RUN) step sim regressions 120 tests/sim/regressions.sh $(BUILD)/sim/sim
	@grep -h '^sim:' $(RESULTS)/sim/*.log

# Not a ring: it judges the simulator, and builds it once a mutant.
MUTANT ?=
check-mutants: deps
	@$(PYTHON) -B tests/sim/mutants.py $(BUILD) 1000 $(MUTANT)

inputs-crash: $(CRASH_BIN)
ring-crash:
	@$(RUN) cmocka crash 300 $(CRASH_BIN)

inputs-fuzz: $(FUZZ:%=$(BUILD)/fuzz/replay-%) \
		$(if $(TIME),$(FUZZ:%=$(BUILD)/fuzz/search-%))
ring-fuzz:
	@for target in $(FUZZ); do \
		$(RUN) step fuzz $$target 60 $(BUILD)/fuzz/replay-$$target \
			tests/fuzz/corpus/$$target; \
	done
	$(if $(TIME),@for target in $(FUZZ); do \
		$(RUN) step fuzz $$target-search $$(($(FUZZ_SHARE) + 60)) \
			tests/fuzz/search.sh $(BUILD)/fuzz $$target $(FUZZ_SHARE); \
	done)

inputs-process: userspace man
ring-process:
	@$(call pytest,process,300)

inputs-vm: lab
ring-vm:
	@KERNEL=$(KERNEL) $(call pytest,vm,780)

$(RINGS:%=check-%): check-%: deps
	@$(MAKE) $(JOBS) inputs-$*
	@rm -rf $(RESULTS)/$* $(RESULTS)/$*.xml
	@$(MAKE) ring-$*
	@$(SUM) $*

lint: check-lint

# Every ring has its turn, whatever the ones before it found.
check: deps
	@rm -rf $(RESULTS)
	@$(RUN) step build all 900 $(MAKE) -k $(JOBS) all $(RINGS:%=inputs-%)
	@for ring in $(RINGS); do $(MAKE) ring-$$ring; done; $(SUM) build $(RINGS)

evidence: deps
	@[ -d $(RESULTS) ] || $(MAKE) check || :
	@$(PYTHON) tests/evidence/evidence.py $(RESULTS) $(BUILD)/evidence.json

# --- benches ----------------------------------------------------------------

# A group is an executable of tests/bench; its programs are GROUP_NAME.c there,
# linked with what they reach of the other .c files and of the agent.
GROUP ?=
QUICK ?=
RECORD ?=
BENCH_GROUPS = $(basename $(notdir $(shell find tests/bench -perm -u+x -type f)))
BENCH_PROGRAMS := $(wildcard tests/bench/*_*.c)
BENCH_HELP := $(filter-out $(BENCH_PROGRAMS),$(wildcard tests/bench/*.c))
BENCH_LIBS := $(AGENT_LIBS) -lsqlite3 -llmdb -lcurl
# Peers; only a bench brings them to a machine (etcd's package starts it).
BENCH_DEPS := libsqlite3-dev liblmdb-dev etcd-server gnuplot-nox

$(BUILD)/bench/libbench.a: $(BENCH_HELP:%.c=$(BUILD)/obj/%.o) \
		$(filter-out $(BUILD)/obj/agent/main.o $(BUILD)/obj/agent/run_%,$(AGENT_OBJ))
	$(call say,AR)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $^
$(BUILD)/bench/bin/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/bench/libbench.a
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(BENCH_LIBS)
.PRECIOUS: $(BUILD)/obj/%.o

BENCH_WANTED := $(if $(GROUP),$(filter $(GROUP:%=tests/bench/%_%),\
	$(BENCH_PROGRAMS)),$(BENCH_PROGRAMS))
bench-programs: $(BENCH_WANTED:tests/bench/%.c=$(BUILD)/bench/bin/%)
bench: DEPS += $(BENCH_DEPS)
bench: deps
	@$(MAKE) $(JOBS) bench-programs
	@BUILD=$(BUILD) QUICK=$(QUICK) RECORD=$(RECORD) $(PYTHON) -B tests/bench/bench.py $(GROUP)

# --- on this machine --------------------------------------------------------

install: $(BUILD)/bfenced $(BUILD)/bfence $(MAN) $(KMODS)
	install -D -t $(DESTDIR)$(PREFIX)/bin $(BUILD)/bfence
	install -D -t $(DESTDIR)$(PREFIX)/sbin $(BUILD)/bfenced
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/linux $(UAPI)
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/bfence \
		LICENSES/COPYING $(wildcard dist/*.example)
	install -D -m 644 tools/completion.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/bfence
	$(foreach page,$(MAN),install -D -m 644 -t \
		$(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $(page))) \
		$(page) &&) :
	$(foreach kver,$(KVERS),install -D -m 644 -t \
		$(DESTDIR)/lib/modules/$(kver)/extra \
		$(BUILD)/kmod-$(kver)/bfence.ko &&) :
	$(if $(DESTDIR),,for kver in $(KVERS); do depmod $$kver; done)

clean:
	rm -rf $(BUILD)
