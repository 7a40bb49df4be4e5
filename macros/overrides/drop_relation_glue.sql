{#- dbt-athena deletes the files of what it drops: the old version of a `table`, or a table that is made
    anew with --full-refresh. What consumers read through `serving` keeps its files; `strata publish`
    deletes them when the publication is forgotten. -#}
{%- macro drop_relation_glue(relation) -%}
    {%- if not is_published(relation) -%}
        {%- do adapter.clean_up_table(relation) -%}
    {%- endif -%}
    {%- do adapter.delete_from_glue_catalog(relation) -%}
{%- endmacro -%}


{#- Whether a publication of the model that `relation` belongs to, its backup included, is of the
    relation's files. -#}
{%- macro is_published(relation) -%}
    {%- set prefix = env_var('STRATA_SCHEMA_PREFIX', '') -%}
    {%- if relation.schema != prefix ~ 'gold' -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set served = adapter.get_glue_table(api.Relation.create(
        database=relation.database,
        schema=prefix ~ 'serving',
        identifier=modules.re.sub('__(bkp|ha|dbt_tmp)$', '', relation.identifier)
    )) -%}
    {%- set location = adapter.get_glue_table_location(relation) -%}
    {%- if not served or not location -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set publications = fromjson(served.Table.Parameters.get('strata.publications', '[]')) -%}
    {%- set locations = publications | map(attribute='location') | list -%}
    {{ return(location.rstrip('/') in locations) }}
{%- endmacro -%}
