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

CSTD := -std=gnu11 -D_GNU_SOURCE
WARN := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes \
	-Wno-missing-field-initializers $(WERROR)
INC := -Iagent -Iuapi -I$(BUILD)/gen -I/usr/include/libnl3
CFLAGS_ALL = $(CSTD) $(OPT) -g $(WARN) $(INC) $(CFLAGS)
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all

AGENT_LIBS := -luring -lssl -lcrypto -lprotobuf-c -lnl-genl-3 -lnl-3 \
	-lmicrohttpd -ljansson -linih -lsystemd
TOOLS_LIBS := -lmnl -lcurl -ljansson

AGENT_SRC := $(wildcard agent/*.c agent/core/*.c agent/edge/*.c)
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
	qemu-system-x86 busybox-static mdadm kmod e2fsprogs xz-utils \
	openssl scdoc python3 python3-pytest python3-yaml clang-format \
	clang-tidy cppcheck shellcheck codespell sparse universal-ctags

# V=1 shows the commands, otherwise each is one line.
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-8s %s\n' $(1) $@)

# What is started without -j uses every core; with it, the caller's share.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
MAKEFLAGS += --no-print-directory

RINGS := tidy lint unit process vm
RESULTS := $(BUILD)/results

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all deps userspace kmod kmod-lab kmod-guest lab man unit demo check lint evidence \
	install clean help $(RINGS:%=check-%) $(RINGS:%=inputs-%) \
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
	@echo 'make lint        the same as check-lint'
	@echo 'make evidence    which test proves which claim; exit 1 on a hole'
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
	@cp -ru Kbuild kmod uapi $(@D)/
	+$(Q)$(MAKE) $(if $(V),,-s) -C $(KHEADERS)/linux-headers-$* \
		M=$(abspath $(@D)) CONFIG_DEBUG_INFO_BTF_MODULES= \
		KCFLAGS=$(WERROR) $(1) modules
	@touch $@
endef
$(BUILD)/kmod-lab-%/bfence.ko: $(KSRC)
	$(call kmod_build,BFENCE_LAB=1)
$(BUILD)/kmod-%/bfence.ko: $(KSRC)
	$(call kmod_build)

# --- the lab ----------------------------------------------------------------

LAB := $(BUILD)/vm/iogen $(BUILD)/vm/switch $(BUILD)/vm/tsc
LAB_KMOD := $(if $(filter $(KERNEL).%-cloud-amd64,$(KVERS)),kmod kmod-lab,\
	kmod-guest)
lab: userspace $(LAB_KMOD) $(LAB)
	@tests/vm/image.sh $(KERNEL) >/dev/null

# Without installed headers: with those fetched beside the guests' kernel.
kmod-guest:
	+@kernel=$$(tests/vm/kernel.sh $(KERNEL)) && \
	$(MAKE) KHEADERS="$$kernel/usr/src" KVERS="$${kernel##*/}" \
		kmod kmod-lab

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

-include $(shell find $(BUILD)/obj $(BUILD)/san -name '*.d' 2>/dev/null)

# --- rings ------------------------------------------------------------------

# Each ring: what it needs built, then how it runs. The runner keeps time and
# writes $(RESULTS)/RING.xml or RING/*.xml; the sum of those is the verdict.
RUN := $(PYTHON) tests/evidence/run.py
SUM := $(PYTHON) tests/evidence/results.py $(RESULTS)
pytest = $(RUN) pytest $(1) $(2) tests/$(1) $(if $(TEST),-k '$(TEST)')

inputs-tidy: ;@:
ring-tidy:
	@$(call pytest,tidy,120) tests/evidence

LINTS := clang-format sparse cppcheck clang-tidy shellcheck codespell
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
