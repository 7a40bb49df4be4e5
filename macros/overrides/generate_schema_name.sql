{#- dbt's own appends the custom schema to the target's; here a schema is what the project says, with
    an optional prefix for environments that share a catalog (dev_<user>_, ci_<run>_). -#}
{%- macro generate_schema_name(custom_schema_name, node) -%}
    {%- set prefix = env_var('STRATA_SCHEMA_PREFIX', '') -%}
    {%- if not modules.re.match('^([a-z][a-z0-9_]*_)?$', prefix) -%}
        {{ exceptions.raise_compiler_error(
            "STRATA_SCHEMA_PREFIX is '" ~ prefix ~ "'. Use lower-case letters, digits and underscores,"
            ~ " ending with an underscore, such as dev_ann_ or ci_42_.") }}
    {%- endif -%}
    {%- if not custom_schema_name and node.resource_type not in ['model', 'seed', 'snapshot'] -%}
        {#- `dbt show --inline` and hooks build nothing: they may stay in the target's schema. -#}
        {{ return(target.schema) }}
    {%- endif -%}
    {%- if not custom_schema_name -%}
        {{ exceptions.raise_compiler_error(
            node.resource_type ~ " '" ~ node.name ~ "' has no schema. Put it in a folder that"
            ~ " dbt_project.yml gives one (silver, gold), or set `schema` in its config.") }}
    {%- endif -%}
    {{ prefix ~ custom_schema_name | trim }}
{%- endmacro -%}
