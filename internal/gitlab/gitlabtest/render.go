package gitlabtest

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

// renderer writes rows as GitLab's API entities: their keys, their order,
// their nulls, and the keys that older versions lack.
type renderer struct {
	base    string // scheme://host[:port][/relative root]
	version version
	now     func() time.Time

	// projectOf finds the project of a downstream pipeline, nil when there is
	// no pipeline or the project is gone.
	projectOf func(*Pipeline) *Project

	// Parts that repeat from job to job and never change; keyed by pointer.
	users, fullUsers, runners sync.Map
}

// version is a GitLab version as two numbers, for keys that came with one.
type version struct{ major, minor int }

func parseVersion(s string) version {
	major, rest, _ := strings.Cut(s, ".")
	minor, _, _ := strings.Cut(rest, ".")
	var v version
	v.major, _ = strconv.Atoi(major)
	v.minor, _ = strconv.Atoi(minor)
	return v
}

func (v version) atLeast(major, minor int) bool {
	return v.major > major || v.major == major && v.minor >= minor
}

// part gives the JSON of something that does not change, written once.
func part[T any](cache *sync.Map, of *T, write func(*jsonWriter, *T)) []byte {
	if b, ok := cache.Load(of); ok {
		return b.([]byte)
	}
	var w jsonWriter
	write(&w, of)
	cache.Store(of, w.b)
	return w.b
}

func (r *renderer) project(w *jsonWriter, p *Project, codeAccess, simple bool) {
	if p.raw != nil && !simple {
		w.value(p.raw)
		return
	}
	w.open('{')
	w.int("id", p.ID)
	w.optStr("description", p.Description)
	w.str("name", p.Name)
	w.str("name_with_namespace", p.nameWithNamespace())
	w.str("path", p.Path)
	w.str("path_with_namespace", p.FullPath)
	w.time("created_at", p.CreatedAt)
	if codeAccess {
		w.optStr("default_branch", p.DefaultBranch)
	}
	w.strings("tag_list", p.Topics)
	w.strings("topics", p.Topics)
	web := r.base + "/" + p.FullPath
	host := strings.TrimPrefix(strings.TrimPrefix(r.base, "https://"), "http://")
	host, _, _ = strings.Cut(host, "/")
	w.str("ssh_url_to_repo", "git@"+host+":"+p.FullPath+".git")
	w.str("http_url_to_repo", web+".git")
	w.str("web_url", web)
	if codeAccess {
		if p.DefaultBranch != nil {
			w.str("readme_url", web+"/-/blob/"+*p.DefaultBranch+"/README.md")
		} else {
			w.null("readme_url")
		}
		w.int("forks_count", 0)
	}
	w.null("avatar_url")
	w.int("star_count", p.StarCount)
	w.time("last_activity_at", p.LastActivityAt)
	w.object("namespace")
	if p.Group != nil {
		w.int("id", p.Group.ID)
		w.str("name", p.Group.Name)
		w.str("path", p.Group.Path)
		w.str("kind", "group")
		w.str("full_path", p.Group.FullPath)
		if p.Group.Parent != nil {
			w.int("parent_id", p.Group.Parent.ID)
		} else {
			w.null("parent_id")
		}
		w.null("avatar_url")
		w.str("web_url", r.base+"/groups/"+p.Group.FullPath)
	} else {
		w.int("id", personalNamespace+p.Owner.ID)
		w.str("name", p.Owner.Name)
		w.str("path", p.Owner.Username)
		w.str("kind", "user")
		w.str("full_path", p.Owner.Username)
		w.null("parent_id")
		w.str("avatar_url", "/uploads/-/system/user/avatar/"+strconv.FormatInt(p.Owner.ID, 10)+"/avatar.png")
		w.str("web_url", r.base+"/"+p.Owner.Username)
	}
	w.close('}')
	if !simple {
		r.projectRest(w, p)
	}
	w.close('}')
}

// personalNamespace keeps the namespace ids of users apart from those of
// groups, with which they share one sequence in GitLab.
const personalNamespace = 1_000_000_000

// projectRest writes the keys that the simple form leaves out.
func (r *renderer) projectRest(w *jsonWriter, p *Project) {
	api := r.base + "/api/v4/projects/" + strconv.FormatInt(p.ID, 10)
	access := func(on bool) string {
		if on {
			return "enabled"
		}
		return "disabled"
	}
	host := strings.TrimPrefix(strings.TrimPrefix(r.base, "https://"), "http://")
	w.str("container_registry_image_prefix", "registry."+host+"/"+strings.ToLower(p.FullPath))
	w.object("_links")
	w.str("self", api)
	for _, l := range []string{"issues", "merge_requests"} {
		w.str(l, api+"/"+l)
	}
	w.str("repo_branches", api+"/repository/branches")
	for _, l := range []string{"labels", "events", "members", "cluster_agents"} {
		w.str(l, api+"/"+l)
	}
	w.close('}')
	w.bool("packages_enabled", true)
	w.bool("empty_repo", p.DefaultBranch == nil)
	w.bool("archived", p.Archived)
	w.str("visibility", p.Visibility)
	if p.Owner != nil && p.Group == nil {
		w.raw("owner", r.user(p.Owner))
	}
	w.bool("resolve_outdated_diff_discussions", false)
	w.object("container_expiration_policy")
	w.str("cadence", "1d")
	w.bool("enabled", false)
	w.int("keep_n", 10)
	w.str("older_than", "90d")
	w.str("name_regex", ".*")
	w.null("name_regex_keep")
	w.time("next_run_at", p.CreatedAt.AddDate(0, 0, 1))
	w.close('}')
	w.str("repository_object_format", "sha1")
	w.bool("issues_enabled", true)
	w.bool("merge_requests_enabled", true)
	w.bool("wiki_enabled", false)
	w.bool("jobs_enabled", p.BuildsAccess != "disabled")
	w.bool("snippets_enabled", false)
	w.bool("container_registry_enabled", true)
	w.bool("service_desk_enabled", false)
	w.null("service_desk_address")
	w.bool("can_create_merge_request_in", !p.Archived)
	for _, feature := range []string{"issues", "repository", "merge_requests", "forking"} {
		w.str(feature+"_access_level", "enabled")
	}
	w.str("wiki_access_level", access(false))
	w.str("builds_access_level", p.BuildsAccess)
	w.str("snippets_access_level", access(false))
	w.str("pages_access_level", "private")
	for _, feature := range []string{"analytics", "container_registry", "security_and_compliance", "releases"} {
		w.str(feature+"_access_level", "private")
	}
	for _, feature := range []string{"environments", "feature_flags", "infrastructure", "monitor", "model_experiments", "model_registry"} {
		w.str(feature+"_access_level", "enabled")
	}
	w.bool("emails_disabled", false)
	w.bool("emails_enabled", true)
	w.bool("shared_runners_enabled", true)
	w.bool("lfs_enabled", true)
	w.int("creator_id", 1)
	w.null("import_url")
	w.null("import_type")
	w.str("import_status", "none")
	w.null("import_error")
	w.int("open_issues_count", 0)
	w.str("description_html", "")
	w.time("updated_at", p.UpdatedAt)
	w.int("ci_default_git_depth", 20)
	w.bool("ci_forward_deployment_enabled", true)
	w.bool("ci_forward_deployment_rollback_allowed", true)
	w.bool("ci_job_token_scope_enabled", false)
	w.bool("ci_separated_caches", true)
	w.bool("ci_allow_fork_pipelines_to_run_in_parent_project", true)
	w.str("build_git_strategy", "fetch")
	w.bool("keep_latest_artifact", true)
	w.bool("restrict_user_defined_variables", false)
	w.null("runners_token")
	w.null("runner_token_expiration_interval")
	w.bool("group_runners_enabled", true)
	w.str("auto_cancel_pending_pipelines", "enabled")
	w.int("build_timeout", 3600)
	w.bool("auto_devops_enabled", false)
	w.str("auto_devops_deploy_strategy", "continuous")
	w.str("ci_config_path", "")
	w.bool("public_jobs", p.PublicJobs)
	w.array("shared_with_groups")
	w.close(']')
	w.bool("only_allow_merge_if_pipeline_succeeds", false)
	w.null("allow_merge_on_skipped_pipeline")
	w.bool("request_access_enabled", true)
	w.bool("only_allow_merge_if_all_discussions_are_resolved", false)
	w.bool("remove_source_branch_after_merge", true)
	w.bool("printing_merge_request_link_enabled", true)
	w.str("merge_method", "merge")
	w.str("squash_option", "default_off")
	w.bool("enforce_auth_checks_on_uploads", true)
	for _, template := range []string{"suggestion_commit_message", "merge_commit_template", "squash_commit_template", "issue_branch_template"} {
		w.null(template)
	}
	w.optStr("marked_for_deletion_at", p.DeletionOn)
	w.optStr("marked_for_deletion_on", p.DeletionOn)
	w.bool("warn_about_potentially_unwanted_characters", true)
	w.bool("autoclose_referenced_issues", true)
	w.str("external_authorization_classification_label", "")
	w.bool("requirements_enabled", false)
	w.str("requirements_access_level", "enabled")
	w.bool("security_and_compliance_enabled", true)
	w.array("compliance_frameworks")
	w.close(']')
	w.object("permissions")
	w.null("project_access")
	w.object("group_access")
	w.int("access_level", Reporter)
	w.int("notification_level", 3)
	w.close('}')
	w.close('}')
}

func (p *Project) nameWithNamespace() string {
	if p.Group == nil {
		return p.Owner.Name + " / " + p.Name
	}
	return p.Group.fullName() + " / " + p.Name
}

func (g *Group) fullName() string {
	if g.Parent == nil {
		return g.Name
	}
	return g.Parent.fullName() + " / " + g.Name
}

func (r *renderer) group(w *jsonWriter, g *Group, projects []*Project, detail, codeAccess bool) {
	w.open('{')
	w.int("id", g.ID)
	w.str("web_url", r.base+"/groups/"+g.FullPath)
	w.str("name", g.Name)
	w.str("path", g.Path)
	w.optStr("description", g.Description)
	w.str("visibility", g.Visibility)
	w.bool("share_with_group_lock", false)
	w.bool("require_two_factor_authentication", false)
	w.int("two_factor_grace_period", 48)
	w.str("project_creation_level", "developer")
	w.null("auto_devops_enabled")
	w.str("subgroup_creation_level", "maintainer")
	w.bool("emails_disabled", false)
	w.bool("emails_enabled", true)
	if r.version.atLeast(17, 0) {
		w.bool("show_diff_preview_in_email", true)
	}
	w.null("mentions_disabled")
	w.bool("lfs_enabled", true)
	if r.version.atLeast(18, 0) {
		w.bool("archived", g.Archived)
	}
	if r.version.atLeast(16, 9) {
		w.bool("math_rendering_limits_enabled", true)
		w.bool("lock_math_rendering_limits_enabled", false)
	}
	w.null("default_branch")
	w.int("default_branch_protection", 2)
	w.object("default_branch_protection_defaults")
	w.array("allowed_to_push")
	w.open('{')
	w.int("access_level", 40)
	w.close('}')
	w.close(']')
	w.bool("allow_force_push", false)
	w.array("allowed_to_merge")
	w.open('{')
	w.int("access_level", 40)
	w.close('}')
	w.close(']')
	w.close('}')
	w.null("avatar_url")
	w.bool("request_access_enabled", true)
	w.str("full_name", g.fullName())
	w.str("full_path", g.FullPath)
	w.time("created_at", g.CreatedAt)
	if g.Parent != nil {
		w.int("parent_id", g.Parent.ID)
	} else {
		w.null("parent_id")
	}
	if r.version.atLeast(16, 10) {
		w.int("organization_id", 1)
	}
	w.str("shared_runners_setting", "enabled")
	if r.version.atLeast(17, 5) {
		w.null("max_artifacts_size")
	}
	w.null("marked_for_deletion_on")
	w.null("ldap_cn")
	w.null("ldap_access")
	w.str("wiki_access_level", "enabled")
	if detail {
		w.array("shared_with_groups")
		w.close(']')
		w.bool("prevent_sharing_groups_outside_hierarchy", false)
		if projects != nil {
			w.array("projects")
			for _, p := range projects {
				r.project(w, p, codeAccess, false)
			}
			w.close(']')
			w.array("shared_projects")
			w.close(']')
		}
		w.null("shared_runners_minutes_limit")
		w.null("extra_shared_runners_minutes_limit")
		w.null("prevent_forking_outside_group")
		w.bool("membership_lock", false)
	}
	w.close('}')
}

// user gives the short form of a user.
func (r *renderer) user(u *User) []byte {
	return part(&r.users, u, func(w *jsonWriter, u *User) {
		w.open('{')
		r.userHead(w, u)
		w.close('}')
	})
}

func (r *renderer) userHead(w *jsonWriter, u *User) {
	w.int("id", u.ID)
	w.str("username", u.Username)
	if r.version.atLeast(17, 2) {
		w.str("public_email", "")
	}
	w.str("name", u.Name)
	w.str("state", u.State)
	w.bool("locked", false)
	w.str("avatar_url", r.base+"/uploads/-/system/user/avatar/"+strconv.FormatInt(u.ID, 10)+"/avatar.png")
	w.str("web_url", r.base+"/"+u.Username)
}

// fullUser gives the form that jobs carry, two thirds of a kilobyte.
func (r *renderer) fullUser(u *User) []byte {
	return part(&r.fullUsers, u, func(w *jsonWriter, u *User) {
		w.open('{')
		w.int("id", u.ID)
		w.str("username", u.Username)
		w.str("name", u.Name)
		w.str("state", u.State)
		w.bool("locked", false)
		w.str("avatar_url", r.base+"/uploads/-/system/user/avatar/"+strconv.FormatInt(u.ID, 10)+"/avatar.png")
		w.str("web_url", r.base+"/"+u.Username)
		r.userProfile(w, u)
		w.close('}')
	})
}

func (r *renderer) userProfile(w *jsonWriter, u *User) {
	w.time("created_at", u.CreatedAt)
	for _, k := range []string{"bio", "location", "public_email", "skype", "linkedin", "twitter", "discord", "website_url", "organization", "job_title", "pronouns"} {
		w.str(k, "")
	}
	w.bool("bot", u.Bot)
	w.null("work_information")
	w.int("followers", 0)
	w.int("following", 0)
	w.null("local_time")
}

// currentUser is the answer of /user.
func (r *renderer) currentUser(w *jsonWriter, u *User) {
	w.open('{')
	w.int("id", u.ID)
	w.str("username", u.Username)
	w.str("name", u.Name)
	w.str("state", u.State)
	w.bool("locked", false)
	w.str("avatar_url", r.base+"/uploads/-/system/user/avatar/"+strconv.FormatInt(u.ID, 10)+"/avatar.png")
	w.str("web_url", r.base+"/"+u.Username)
	r.userProfile(w, u)
	w.null("last_sign_in_at")
	w.time("confirmed_at", u.CreatedAt)
	w.str("last_activity_on", u.CreatedAt.UTC().Format(time.DateOnly))
	w.str("email", u.Username+"@noreply.example.com")
	w.int("theme_id", 3)
	w.int("color_scheme_id", 1)
	w.int("projects_limit", 0)
	w.null("current_sign_in_at")
	w.array("identities")
	w.close(']')
	w.bool("can_create_group", false)
	w.bool("can_create_project", false)
	w.bool("two_factor_enabled", false)
	w.bool("external", false)
	w.bool("private_profile", false)
	w.str("commit_email", u.Username+"@noreply.example.com")
	w.null("shared_runners_minutes_limit")
	w.null("extra_shared_runners_minutes_limit")
	w.array("scim_identities")
	w.close(']')
	w.close('}')
}

func (r *renderer) token(w *jsonWriter, t *Token, now time.Time) {
	w.open('{')
	w.int("id", t.ID)
	w.str("name", t.Name)
	w.bool("revoked", t.Revoked)
	w.time("created_at", t.CreatedAt)
	if r.version.atLeast(17, 7) {
		w.null("description")
	}
	w.strings("scopes", t.Scopes)
	w.int("user_id", t.User.ID)
	w.optTime("last_used_at", t.LastUsedAt)
	w.bool("active", !t.Revoked && !t.expired(now))
	if t.ExpiresAt != nil {
		w.str("expires_at", t.ExpiresAt.Format(time.DateOnly))
	} else {
		w.null("expires_at")
	}
	w.close('}')
}
