// SPDX-License-Identifier: GPL-2.0-or-later
// The plugin's entry: refuses a strongSwan it was not built for, keeps charon's keys out of core dumps, and
// registers the kernel interface. Runs on charon's main thread.
#include <daemon.h>
#include <plugins/plugin.h>
#include <sys/prctl.h>

#include "vici-bridge/plugin/ipsec.h"
#include "vici-bridge/plugin/version.h"

plugin_t* kernel_sallyport_plugin_create(void);

METHOD(plugin_t, get_name, char*, plugin_t* this) {
  return "kernel-sallyport";
}

METHOD(plugin_t, get_features, int, plugin_t* this, plugin_feature_t* features[]) {
  static plugin_feature_t f[] = {
      PLUGIN_CALLBACK(kernel_ipsec_register, sallyport_ipsec_create),
      PLUGIN_PROVIDE(CUSTOM, "kernel-ipsec"),
  };
  *features = f;
  return countof(f);
}

METHOD(plugin_t, destroy, void, plugin_t* this) {
  free(this);
}

// 5.9.9 has the structs of 5.9.8; 5.9.10 and 6.0 changed them.
static bool version_fits(const char* version) {
  return streq(version, "5.9.8") || streq(version, "5.9.9");
}

plugin_t* kernel_sallyport_plugin_create(void) {
  plugin_t* this;
  const char* version = running_strongswan_version();
  if (!version_fits(version)) {
    DBG1(DBG_LIB,
         "kernel-sallyport: built for strongSwan " STRONGSWAN_VERSION
         ", this is %s: build it again against "
         "this version's headers",
         version);
    return NULL;
  }
  // IKE and ESP keys are all over charon's heap: the whole process stays out of core dumps.
  prctl(PR_SET_DUMPABLE, 0);
  INIT(this, .get_name = _get_name, .get_features = _get_features, .destroy = _destroy);
  return this;
}
