# doab - build, test and install.  `make help` lists what can be asked for.
#
# configure only detects and writes config.mk; the rules are all here.  Sources
# are found by wildcard, so a new file needs no line in this one.  Objects lie
# in build/<flavour>/:
#
#   plain  what is installed: -O2, hardened
#   asan   -fsanitize=address,undefined, ends at the first finding
#   tsan   -fsanitize=thread: what several threads touch without an order
#   gcc    warnings are errors, gcc     (compiled, never linked)
#   clang  warnings are errors, clang   (compiled, never linked)
#   fuzz   clang with libFuzzer and both sanitizers

FLAVOUR ?= plain
B := build/$(FLAVOUR)

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

# These need no configured tree: check and demo because they install what
# configure looks for, and then start a second make.
UNCONFIGURED := check demo help clean distclean bench-docs
ifneq ($(filter-out $(UNCONFIGURED),$(or $(MAKECMDGOALS),all)),)
include config.mk
endif

# autoconf, not autoreconf: there are no Automake files to make.
configure: configure.ac
	autoconf
	@touch $@

config.mk: config.mk.in configure
	@if test -x config.status; then \
	    ./config.status --recheck && ./config.status; \
	else \
	    ./configure; \
	fi
	@touch $@

# --- Flavours ---------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
    -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wswitch-enum \
    -Wformat=2 -Wundef -Wno-unused-parameter
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all \
    -fno-omit-frame-pointer
FORTIFY := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2

FLAGS_plain := -O2 -g $(FORTIFY) $(HARDENING)
FLAGS_asan  := -O1 -g $(SANITIZE)
FLAGS_tsan  := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
FLAGS_gcc   := -O2 $(FORTIFY) $(HARDENING) -Werror
FLAGS_clang := -O2 $(FORTIFY) -Werror
FLAGS_fuzz  := -O1 -g $(SANITIZE) -fsanitize=fuzzer-no-link

LINK_plain := $(HARDENING_LD)
LINK_asan  := $(SANITIZE)
LINK_tsan  := -fsanitize=thread
LINK_fuzz  := $(SANITIZE) -fsanitize=fuzzer

CC_plain := $(GCC)
CC_asan  := $(GCC)
CC_tsan  := $(GCC)
CC_gcc   := $(GCC)
CC_clang := $(CLANG)
CC_fuzz  := $(CLANG)

CC = $(CC_$(FLAVOUR))
COMPILE = $(CC) -std=c11 -D_GNU_SOURCE -Iinclude \
    -DDOAB_VERSION='"$(VERSION)"' $(LIB_CFLAGS) $(WARNINGS) -fPIE \
    $(FLAGS_$(FLAVOUR)) $(USER_CPPFLAGS) $(USER_CFLAGS)
LINK = $(CC) -pie $(LINK_$(FLAVOUR)) $(USER_LDFLAGS)

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-6s %s\n'
endif

# --- Objects ----------------------------------------------------------------

SRC      := $(sort $(wildcard src/*/*.c))
MAIN     := src/app/main.c
CORE     := $(filter-out $(MAIN),$(SRC))
UNIT     := $(sort $(wildcard tests/unit/test_*.c))
UNITHELP := $(filter-out tests/unit/test_%,$(sort $(wildcard tests/unit/*.c)))
FAKES    := $(sort $(wildcard tests/fakes/*.c))
SCENARIO := $(sort $(wildcard tests/scenario/*.c))
SCN      := $(sort $(wildcard tests/scenario/*.scn))
FUZZ     := $(sort $(wildcard tests/fuzz/fuzz_*.c))
REPLAY   := tests/fuzz/replay.c
BENCH_C  := $(sort $(wildcard contrib/bench/*.c contrib/bench/*/*.c))
ALL_C    := $(SRC) $(UNIT) $(UNITHELP) $(FAKES) $(SCENARIO) $(FUZZ) $(REPLAY) \
    $(BENCH_C)

objects = $(patsubst %.c,$(B)/%.o,$(1))

UNITS   := $(patsubst tests/unit/%.c,%,$(UNIT))
TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ))

# Rewritten only when its text changes, so that other flags or a vanished
# source rebuild what depends on them and an edited Makefile does not.  The new
# text has a name of its own, since several makes may be at work.
define stamp
	@mkdir -p $(@D)
	@new=$@.new.$$$$; printf '%s\n' $(1) >$$new; \
	    if cmp -s $$new $@; then rm $$new; else mv $$new $@; fi
endef

.PHONY: FORCE
$(B)/flags: FORCE
	$(call stamp,'$(subst ','\'',$(COMPILE) | $(LINK))')

$(B)/sources: FORCE
	$(call stamp,$(CORE) -)

# Tests look at what is private to a folder, too.
SEES_ALL = $(if $(filter tests/% contrib/%,$<),-Isrc)

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(COMPILE) $(SEES_ALL) -MMD -MP -c -o $@ $<

# q, not r: files of two layers may have the same name.
$(B)/core.a: $(call objects,$(CORE)) $(B)/sources
	$(say) AR $@
	$(Q)rm -f $@
	$(Q)$(AR) qcs $@ $(filter %.o,$^)

$(B)/doab: $(call objects,$(MAIN)) $(B)/core.a
	$(say) LD $@
	$(Q)$(LINK) -o $@ $^ $(LIB_LIBS)

$(B)/unit/%: $(B)/tests/unit/%.o $(call objects,$(UNITHELP)) $(B)/core.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(CMOCKA_LIBS) \
	    $(LIB_LIBS)

# Unit tests in virtual time.
ON_FAKES := connect_limit upstream upstream_race upstream_policy upstream_redirect stream stream_begin \
            stream_pause stream_skip stream_shapes \
            stream_relay bosh_model login_model oracle
$(ON_FAKES:%=$(B)/unit/test_%): $(call objects,$(FAKES))

# The fakes stand before the archive: what they define is not taken from it.
$(foreach f,stream session,$(B)/fuzz/$f $(B)/libfuzzer/$f): $(call objects,$(FAKES))
$(B)/scenario: $(call objects,$(SCENARIO) $(FAKES)) $(B)/core.a
	$(say) LD $@
	$(Q)$(LINK) -o $@ $^ $(LIB_LIBS)

$(B)/fuzz/%: $(B)/tests/fuzz/fuzz_%.o $(call objects,$(REPLAY)) $(B)/core.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIB_LIBS)

$(B)/libfuzzer/%: $(B)/tests/fuzz/fuzz_%.o $(B)/core.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIB_LIBS)

# The load generator takes nothing but buffers from the archive, and so needs
# no library.
BENCH     := $(sort $(wildcard contrib/bench/*.c))
BENCHWIRE := $(addprefix contrib/bench/,wire.c address.c http.c server/serve.c)
BENCHES   := $(addprefix $(B)/bench/,doab-bench doab-bench-server \
    doab-bench-relay)

# private: the flags that all objects depend on are not the bench's.
$(B)/contrib/bench/%.o: private COMPILE += -Icontrib/bench
$(B)/bench/doab-bench: $(call objects,$(BENCH)) $(B)/core.a
$(B)/bench/doab-bench-server: $(call objects,contrib/bench/null.c)
$(B)/bench/doab-bench-%: $(B)/contrib/bench/server/%.o \
    $(call objects,$(BENCHWIRE)) $(B)/core.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(LINK) -o $@ $^
$(B)/bench/doab-bench:
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(LINK) -o $@ $^

.SECONDARY:
-include $(patsubst %.c,$(B)/%.d,$(ALL_C))

# --- What people ask for ----------------------------------------------------

.PHONY: all core programs unit scenario fuzz-replay objects system threads \
    mutants fuzz bench bench-instructions bench-docs lint quick check demo install clean distclean help

all: doab ## build ./doab

core: $(B)/core.a ## build only the archive of everything but main

programs: all $(UNITS:%=$(B)/unit/%) $(TARGETS:%=$(B)/fuzz/%) \
    $(if $(SCENARIO),$(B)/scenario) $(BENCHES) ## build all that tests run

doab: $(B)/doab
	$(Q)cp $< $@.new
	$(Q)mv $@.new $@

objects: $(call objects,$(ALL_C)) ## only compile, for FLAVOUR=gcc and clang

# Sanitizers end the program that they find at fault, also when it leaks.
export ASAN_OPTIONS ?= detect_leaks=1:abort_on_error=0
export UBSAN_OPTIONS ?= print_stacktrace=1
export TSAN_OPTIONS ?= halt_on_error=1

unit: $(addprefix $(B)/unit/,$(UNITS)) ## unit tests (unit/test_rid: only this)
	@tests/run-unit "$(FLAVOUR)" $^

unit/%: $(B)/unit/%
	@$<

ifeq ($(and $(SCENARIO),$(SCN)),)
scenario:
	@echo "scenario: there are no scenario files yet"
else
scenario: $(B)/scenario ## scenario tests (scenario/NAME: only NAME.scn)
	@timeout 300 $< $(SCN)
endif

scenario/%: $(B)/scenario
	@timeout 60 $< tests/scenario/$*.scn

fuzz-replay: $(addprefix fuzz-replay/,$(TARGETS)) ## replay the fuzz corpora

fuzz-replay/%: $(B)/fuzz/%
	@mkdir -p $(B)/empty
	@timeout 300 $< $(or $(wildcard tests/fuzz/corpus/$*),$(B)/empty)

# make fuzz TARGET=xml_read SECONDS=60
SECONDS ?= 60
fuzz: ## fuzz TARGET=name for SECONDS=60
ifeq ($(TARGET),)
	@echo "usage: make fuzz TARGET=name [SECONDS=60]; names: $(TARGETS)"
	@exit 2
else
	@$(MAKE) FLAVOUR=fuzz fuzz-run TARGET=$(TARGET) SECONDS=$(SECONDS)
endif

.PHONY: fuzz-run
fuzz-run: $(B)/libfuzzer/$(TARGET)
	@mkdir -p $(B)/found/$(TARGET) tests/fuzz/corpus/$(TARGET)
	cd $(B)/found && ../libfuzzer/$(TARGET) -max_total_time=$(SECONDS) \
	    -timeout=10 -rss_limit_mb=2048 -max_len=65536 $(FUZZFLAGS) \
	    $(TARGET) $(CURDIR)/tests/fuzz/corpus/$(TARGET)

system: doab $(BENCHES) ## system tests: a real Prosody, nginx and browser
	@tests/run-system $(TESTS)

# What has threads; make FLAVOUR=tsan threads.  Everything else has one.
THREADED := mailbox worker_pool worker worker_mail metrics log log_writer app
threads: $(THREADED:%=$(B)/unit/test_%) $(B)/doab ## tests of the workers
	@tests/run-unit "$(FLAVOUR)" $(filter $(B)/unit/%,$^)
	@DOAB=$(CURDIR)/$(B)/doab tests/run-system workers.test.js

lint: doab ## all of tests/lint
	@FLAVOUR=$(FLAVOUR) CC='$(GCC)' LIB_CFLAGS='$(LIB_CFLAGS)' \
	    FEATURES='$(FEATURES)' tests/lint/run

.PHONY: format
format: ## let clang-format rewrite all C
	clang-format -i --style=file $(shell find src include tests contrib \
	    -name '*.[ch]')

# Sockets, connections that die, and an oracle: tests/stress.
.PHONY: history soak history-mutants
history: $(B)/doab ## checked histories of sessions
	@tests/stress/run $<

history-quick/%: $(B)/doab
	@tests/stress/run $< quick $*

history-quick-ws/%: $(B)/doab
	@tests/stress/run $< quick-ws $*

# make soak [SECONDS=60] [STANZAS=1000000] [SEED=1]; by itself until ^C.
soak: $(B)/doab ## the same for SECONDS= or STANZAS=, or until ^C
	@tests/stress/run $< soak \
	    --seconds $(if $(filter file,$(origin SECONDS)),0,$(SECONDS)) \
	    $(if $(STANZAS),--stanzas $(STANZAS)) $(if $(SEED),--seed $(SEED))

# They wait more than they compute.
history-mutants: programs ## the history checker must see these faults
	@JOBS=$$(($${JOBS:-2} + 1)) tests/mutants/run \
	    $(or $(MUTANTS),$(wildcard tests/stress/mutants/*.fault))

mutants: programs ## every planted fault must be caught by its test
	@tests/mutants/run $(MUTANTS)

# doab while memory fails: tests/torture.  The library is preloaded, so it must
# not depend on a sanitizer.
TORTURE := build/torture/fail_alloc.so
$(TORTURE): tests/torture/fail_alloc.c
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(GCC) -std=c11 -D_GNU_SOURCE $(WARNINGS) -O2 -g -fPIC -shared -o $@ $<

.PHONY: torture torture-short
# make torture [SECONDS=600] [SEED=1]
torture: $(TORTURE) build/plain/doab ## doab while memory fails, for SECONDS=600
	@$(MAKE) FLAVOUR=asan build/asan/doab
	@tests/torture/run $< \
	    $(if $(filter file,$(origin SECONDS)),600,$(SECONDS)) $(SEED)

torture-short: $(TORTURE) build/plain/doab ## the same, for make check
	@$(MAKE) FLAVOUR=asan build/asan/doab
	@tests/torture/run $< 30

# In a bare tree of the distribution's first packages, crosswise, too.
.PHONY: first-packages
first-packages: ## build, unit tests and scenarios with the first packages
	@tests/first-packages

torture-quick/%: $(TORTURE) $(B)/doab
	@DOAB=$(B)/doab node tests/torture/torture.mjs --library $(CURDIR)/$< \
	    --name $(FLAVOUR) --seconds 12 --seed $* --quick

# make bench [ROUNDS=1] [SECONDS=2] [ONLY=PATTERN]; contrib/bench/compare.
COMPARE := contrib/bench/compare
# Of this flavour: ./doab may be one with sanitizers.
bench bench-instructions: export DOAB ?= $(B)/doab
bench: $(B)/doab $(BENCHES) ## measure doab beside its floor and its peers
	@ulimit -n 20000 2>/dev/null || echo "bench: few file descriptors"; \
	    exec node $(COMPARE)/run.mjs --tools $(B)/bench \
	    --rounds $(or $(ROUNDS),1) --only '$(or $(ONLY),.)' \
	    --seconds $(if $(filter file,$(origin SECONDS)),2,$(SECONDS))

bench-instructions: $(B)/doab $(BENCHES) ## instructions a message, by callgrind
	@node $(COMPARE)/instructions.mjs --tools $(B)/bench

bench-docs: ## docs/performance.md of what both have measured
	@node $(COMPARE)/write.mjs

quick: all ## what to run at each save: unit tests, scenarios, lints
	@tests/check build unit scenario fuzz-replay lint

check: ## everything: install what is missing, test, lint
	@contrib/install-deps --check || contrib/install-deps
	@tests/check

demo: ## Prosody and doab on loopback, prints the address to open
	@contrib/install-deps --check || contrib/install-deps
	@$(MAKE) all
	@contrib/demo

compile_commands.json: FORCE ## for clangd and clang-tidy
	$(Q)contrib/compile-commands '$(subst ','\'',$(COMPILE)) -Isrc' \
	    $(ALL_C) >$@.new
	$(Q)mv $@.new $@

# --- Installation -----------------------------------------------------------

ifdef PREFIX
prefix := $(PREFIX)
endif
# A package under /usr has its configuration in /etc.
ifeq ($(prefix),/usr)
sysconfdir := /etc
endif
CONFDIR = $(DESTDIR)$(sysconfdir)/doab

install: doab ## install, with DESTDIR= and PREFIX=
	install -d $(DESTDIR)$(sbindir)
	install -m 755 doab $(DESTDIR)$(sbindir)/doab
	install -d $(DESTDIR)$(mandir)/man8 $(DESTDIR)$(mandir)/man5
	for page in $(wildcard man/*.8 man/*.5); do \
	    install -m 644 $$page \
	        $(DESTDIR)$(mandir)/man$${page##*.}/ || exit 1; done
	install -d $(CONFDIR)
	for file in $(wildcard conf/doab.conf); do \
	    test -e $(CONFDIR)/doab.conf || \
	        install -m 644 $$file $(CONFDIR)/ || exit 1; done
	install -d $(DESTDIR)$(datadir)/doab/www
	for file in $(wildcard www/*.html www/*.css www/*.js www/*.svg); do \
	    install -m 644 $$file $(DESTDIR)$(datadir)/doab/www/ || exit 1; \
	done
	install -d $(DESTDIR)$(datadir)/doc/doab
	install -m 644 README.md CHANGELOG.md LICENSE \
	    $(DESTDIR)$(datadir)/doc/doab/

clean: ## remove what was built
	rm -rf build doab compile_commands.json

distclean: clean ## remove what was configured, too
	rm -rf config.mk config.log config.status configure configure~ \
	    autom4te.cache

help: ## this list
	@awk -F ':.*## ' '/^[a-z_.-]+:.*## / { printf "  %-22s %s\n", $$1, $$2 }' \
	    $(firstword $(MAKEFILE_LIST))
